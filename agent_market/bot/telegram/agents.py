"""/agents: who is trusted now, and why."""

from __future__ import annotations

from collections.abc import Sequence

from agent_market.bot.telegram.request import Asked
from agent_market.queries.decisions import decision_page
from agent_market.records import Episode
from agent_market.reports.scorecards import Scorecard, scorecards

LOOKED_AT = 500
"""Newest decisions that an answer is made from."""


def agents(asked: Asked) -> str:
    """Weights of the newest decisions, and what each agent earned and hit.

    :raises DataError: there is no store yet.
    """
    page = decision_page(asked.source, limit=LOOKED_AT)
    episodes = [row.episode for row in page.rows]
    return agents_text(episodes, scorecards(episodes, asked.source.settings.decision))


def agents_text(episodes: Sequence[Episode], cards: Sequence[Scorecard]) -> str:
    """Agents by weight, heaviest first."""
    if not episodes:
        return "No decision yet: nobody has earned trust."
    known = sum(e.outcome is not None for e in episodes)
    title = f"Trust, from {len(episodes)} decisions, {known} with a known outcome"
    ordered = sorted(cards, key=lambda card: (-(card.last_weight or 0.0), card.agent))
    return "\n".join([title, *(_line(card) for card in ordered)])


def _line(card: Scorecard) -> str:
    if not card.views:
        return f"{card.agent}: no say; it abstains ({card.commonest_cause})"
    parts = [f"{card.agent}: weight {card.last_weight or 0.0:.2f}"]
    if card.mean_reward is None:
        parts.append("nothing it said is decided yet")
    else:
        earned = "earned" if card.mean_reward > 0 else "lost" if card.mean_reward < 0 else "made nothing,"
        parts.append(f"{earned} {abs(card.mean_reward):.3f} a decision after costs (of 1)")
    if card.hit_rate is not None:
        parts.append(f"right on the side {card.hit_rate:.0%}")
    parts.append(f"{card.views} views, {card.abstentions} abstentions")
    return "; ".join(parts)
