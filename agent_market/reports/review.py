"""/review: outcomes of the decisions and trades of the last days, compared with always long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_market.queries.decisions import DecisionRow
from agent_market.records import DEPTH_LIMIT, Episode

REVIEWED = 2_000
"""Most decisions of a review, the newest."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed trade: profit as a fraction of its stake, after fees, and in stake currency."""

    pair: str
    ratio: float
    profit: float


def review_text(
    days: int, rows: Sequence[DecisionRow], closed: Sequence[Closed], currency: str, more: bool = False
) -> str:
    """Fates, what known decisions made a unit of stake after costs beside always long, and closed trades."""
    fates: dict[str, int] = {}
    for row in rows:
        fates[row.fate] = fates.get(row.fate, 0) + 1
    newest = f" (the newest {len(rows)})" if more else ""
    lines = [f"Review of {days} day{'s' if days > 1 else ''}{newest}"]
    lines.append(
        f"{len(rows)} decisions: " + ", ".join(f"{n} {f.replace('_', ' ')}" for f, n in fates.items())
        if rows
        else "No decision."
    )
    known = [(r.episode, r.episode.outcome) for r in rows if r.episode.outcome is not None]
    if known:
        held = _held_before([row.episode for row in rows])
        made = [(o.reward(e.verdict.depth, held.get(e.id, 0.0)), e) for e, o in known]
        sided = [(e, o) for e, o in known if e.verdict.depth and o.market_return]
        right = sum((e.verdict.depth > 0) == (o.market_return > 0) for e, o in sided)
        mean = sum(value for value, _ in made) / len(made)
        long = sum(o.reward(DEPTH_LIMIT, DEPTH_LIMIT * (e.id in held)) for e, o in known) / len(known)
        lines.append(
            f"{len(known)} outcomes known: {mean:+.3%} a decision after costs; always long {long:+.3%}"
        )
        if sided:
            lines.append(f"Right on the side: {right} of {len(sided)}")
        best, worst = max(made, key=lambda m: m[0]), min(made, key=lambda m: m[0])
        lines.append(f"Best {best[0]:+.2%}: {best[1].id}")
        lines.append(f"Worst {worst[0]:+.2%}: {worst[1].id}")
    if closed:
        won = sum(c.profit > 0 for c in closed)
        total = sum(c.profit for c in closed)
        lines.append(
            f"{len(closed)} trades closed, {won} with profit, together {total:+,.2f} {currency} after fees"
        )
    else:
        lines.append("No trade closed.")
    return "\n".join(lines)


def _held_before(episodes: Sequence[Episode]) -> dict[str, float]:
    """By decision: the depth that was allowed at the one before it on its pair; absent for the first."""
    newest: dict[str, Episode] = {}
    held = {}
    for episode in sorted(episodes, key=lambda e: e.view.asof):
        last = newest.get(episode.view.pair)
        if last is not None:
            held[episode.id] = last.verdict.depth
        newest[episode.view.pair] = episode
    return held
