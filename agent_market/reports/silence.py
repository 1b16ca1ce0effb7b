"""Report models that did not answer: a wrong key does not stop a backtest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent_market.errors import AnswerInvalid, ModelUnavailable, PromptLeak
from agent_market.records import Episode
from agent_market.reports.text import listed

FEW = 0.1
"""A smaller share of failed answers is not reported."""
MAX_CAUSE = 240

_FAILURES = tuple(f"{kind.__name__}: " for kind in (ModelUnavailable, AnswerInvalid, PromptLeak))


def silence_of_models(episodes: Sequence[Episode]) -> tuple[str, ...]:
    """Return sentences about agents whose model gave no answer; empty if all answered.

    Abstentions due to the budget do not count: they are intended, and reported elsewhere.
    """
    asked: Counter[str] = Counter()
    failed: dict[str, Counter[str]] = {}
    for episode in episodes:
        for view in episode.views:
            cause = view.abstained_reason or ""
            asked[view.agent] += 1
            if cause.startswith(_FAILURES):
                failed.setdefault(view.agent, Counter())[cause] += 1
    mute = [agent for agent, causes in failed.items() if causes.total() == asked[agent]]
    found = []
    if mute:
        causes = sum((failed[agent] for agent in mute), Counter[str]())
        found.append(
            f"No model answered: {listed(mute, 'and')} abstained from every decision. Nothing here is a "
            f"result of theirs. {_commonest(causes)} `agent-market doctor -c YOUR_CONFIG` says what to do."
        )
    for agent, causes in failed.items():
        count = causes.total()
        if agent not in mute and count > FEW * asked[agent]:
            found.append(
                f"{agent} abstained from {count:,} of {asked[agent]:,} decisions because its model gave no "
                f"valid answer. {_commonest(causes)}"
            )
    return tuple(found)


def _commonest(causes: Counter[str]) -> str:
    ((cause, count),) = causes.most_common(1)
    plain = "".join(letter if letter.isprintable() else " " for letter in cause)[:MAX_CAUSE].rstrip(".")
    return f"Commonest cause ({count:,} times): {plain}."
