"""How feedback of earlier rounds makes a rule more careful: by words, and never bolder.

A line *tells of a loss* if it has one of the words below ("stop-loss" is not one). It concerns an agent if
it names that agent, or names none. Each such line multiplies depth: by 0.75 if it names the agent, by 0.9
if it names none; together by no less than 0.4. Lines about other agents, or of gains, change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

OWN_LOSS = 0.75
GENERAL_LOSS = 0.9
LEAST = 0.4

_LOSS = re.compile(
    r"(?<![\w-])(lost|loses?|losing|loss(es)?|negative|underperformed|drawdown)(?![\w-])", re.IGNORECASE
)
_WORD = re.compile(r"[\w-]+")


def caution(role: str, lines: Iterable[str], agents: Collection[str]) -> float:
    """The factor on depth, in [0.4, 1].

    :param role: the agent that is asked, lower case.
    :param lines: feedback lines.
    :param agents: names of all agents, lower case, so that a line about another one is known as such.
    """
    factor = 1.0
    for line in lines:
        if not _LOSS.search(line):
            continue
        words = {word.lower() for word in _WORD.findall(line)}
        if role in words:
            factor *= OWN_LOSS
        elif not words.intersection(agents):
            factor *= GENERAL_LOSS
    return max(factor, LEAST)
