"""Reject invalid expressions by their characters alone, before Python's parser reads them.

Its parser is made for source code that somebody trusts: deep nesting costs it memory, and odd tokens make it
warn.  After this check the text is short ASCII with shallow brackets.
"""

from __future__ import annotations

import re

from agent_market.errors import ExpressionError
from agent_market.factors.limits import Limits

_ALLOWED = re.compile(r"[A-Za-z0-9_+\-*/<>=!()\[\].,:'\" \t\n%&|~^@]")
_NUMBER_RUNS_INTO_LETTER = re.compile(r"(?<![\w.])(?>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[A-Za-z_]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def scan(text: str, limits: Limits) -> None:
    """Check length, characters and bracket depth.

    :raises ExpressionError: with the position of the first character that does not fit.
    """
    if len(text) > limits.text:
        raise ExpressionError(
            f"the expression has {len(text)} characters; {limits.text} are allowed",
            "split it",
            position=limits.text,
        )
    if not text.strip():
        raise ExpressionError("the expression is empty", "write one, e.g. ts_return(close, 24)", position=0)
    depth = 0
    for position, character in enumerate(text):
        if not _ALLOWED.match(character):
            raise ExpressionError(
                f"the character {character!r} is not allowed",
                "use names, numbers, + - * / < > <= >= ( ) and commas",
                position=position,
            )
        depth += (character in "([") - (character in ")]")
        if depth > limits.nesting:
            raise ExpressionError(
                f"more than {limits.nesting} brackets are open at once", "nest less", position=position
            )
    runs_in = _NUMBER_RUNS_INTO_LETTER.search(_QUOTED.sub(lambda found: '"' * len(found[0]), text))
    if runs_in:
        raise ExpressionError(
            "a number runs into a letter", "put an operator between them", position=runs_in.end() - 1
        )
