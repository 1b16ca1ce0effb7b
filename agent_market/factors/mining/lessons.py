"""What a search taught, as lines that code computed: no pair, no date, no price, and no text of a model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from agent_market.factors.mining.bandit import Arm
from agent_market.factors.mining.files import FactorEntry
from agent_market.factors.mining.records import Failure, Scored
from agent_market.factors.tree import FIELD, NUMBER

MOST_OPERATORS = 4
_LEAST_USES = 5
_QUOTED = re.compile(r"`[^`]*`")


def lessons_of(
    factors: Sequence[FactorEntry],
    scored: Sequence[Scored],
    failures: Sequence[Failure],
    arms: Sequence[Arm],
    joint_ic: float,
    joint_ic_later: float,
) -> tuple[str, ...]:
    """Lines for the prompts of the next round; the same search gives the same lines."""
    lines = []
    if not math.isnan(joint_ic_later):
        lines.append(
            f"The pool's joint IC was {joint_ic:+.3f} where it was searched and {joint_ic_later:+.3f} on the "
            "later span."
        )
    kept = [f for f in factors if _same_sign(f)]
    if factors:
        lines.append(f"{len(kept)} of {len(factors)} factors of the pool kept their sign on the later span.")
    lines += [
        f"Lost on the later span: `{f.expression}`, rank IC {f.scores.rank_ic:+.3f}, then "
        f"{f.later.rank_ic or 0.0:+.3f}."
        for f in factors
        if not _same_sign(f) and f.scores.rank_ic is not None
    ][:3]
    lines += [
        f"{arm.name} brought {arm.accepted} of {arm.proposals} proposals into the pool."
        for arm in arms
        if arm.proposals
    ]
    lines += _operator_lines(scored)
    causes = Counter(_cause(failure) for failure in failures)
    lines += [
        f"{count} proposals failed alike: {cause}." for cause, count in causes.most_common(3) if count > 2
    ]
    return tuple(lines)


def _cause(failure: Failure) -> str:
    """What was wrong, without the place and the expression it was wrong in."""
    return _QUOTED.sub("this", failure.problem.split(" at character ")[0].split(";")[0])


def _same_sign(factor: FactorEntry) -> bool:
    early, later = factor.scores.rank_ic, factor.later.rank_ic
    return early is not None and later is not None and early * later > 0


def _operator_lines(scored: Sequence[Scored]) -> list[str]:
    """Operators with the largest and the smallest mean |t|, of those that were used often enough."""
    strength: dict[str, list[float]] = {}
    for one in scored:
        if math.isnan(one.t):
            continue
        for name in {n.operator for n in one.tree.walk() if n.operator not in (FIELD, NUMBER)}:
            strength.setdefault(name, []).append(abs(one.t))
    means = {name: sum(ts) / len(ts) for name, ts in strength.items() if len(ts) >= _LEAST_USES}
    if len(means) < 2 * MOST_OPERATORS:
        return []
    order = sorted(means, key=lambda name: (-means[name], name))
    strong = ", ".join(f"{name} {means[name]:.1f}" for name in order[:MOST_OPERATORS])
    weak = ", ".join(f"{name} {means[name]:.1f}" for name in order[-MOST_OPERATORS:])
    return [f"Mean |t| by operator, largest: {strong}; smallest: {weak}."]
