"""What the reflecting model is shown: figures over many decisions first, a few decisions in full after them.

One decision says almost nothing about a prompt: at an information coefficient of 0.05 the noise is twenty
times the signal.  So code measures, over the whole minibatch, what each number that the agent saw was worth,
and the model is asked to turn that into words.  All values are relative (expected deviations, ranks): nothing
tells which market it was, when, or at what price.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from agent_market.agents.prompts.visibility import may_see_feature
from agent_market.agents.roles import Role
from agent_market.agents.rule_agents import RULE_AGENTS
from agent_market.agents.tuning.cases import TuningCase
from agent_market.llm.egress.masking import Disguises
from agent_market.records import AgentView

LEAST_FOR_A_FIGURE = 20
_DECIMALS = 4


def findings(
    role: Role,
    part: str,
    text: str,
    cases: Sequence[TuningCase],
    views: Sequence[AgentView],
    rewards: Sequence[float],
    shown: int,
    disguises: Disguises | None = None,
) -> dict[str, Any]:
    """The block that a request to rewrite `text` holds.

    Context series have the names by which the agent saw them: `disguises` hide what its prompts hide.

    `evidence` has one row a number that the agent may see (for an agent of stage 2: one an agent whose
    view it reads): `ic`, its rank correlation with the market's normalised return, `t`, the same in standard
    errors, and `n`.  `regimes` tell how the agent fared in each, `cases` the `shown` decisions with the
    smallest and largest rewards.
    """
    regimes: dict[str, list[int]] = defaultdict(list)
    for i, case in enumerate(cases):
        regimes[case.episode.view.regime].append(i)
    disguises = disguises or Disguises()
    seen = [_seen(role, case, disguises) for case in cases]
    returns = np.array([case.normalised_return for case in cases])
    gained = np.array(rewards, dtype=np.float64)
    return {
        "step": "rewrite",
        "role": role.name,
        "part": part,
        "text": text,
        "decisions": len(cases),
        "abstentions": sum(view.abstains for view in views),
        "mean_reward": _short(gained.mean()) if len(gained) else 0.0,
        "depth_against_return": _figure([view.depth for view in views], returns),
        "evidence": _evidence(seen, returns),
        "regimes": {
            regime: {
                "decisions": len(rows),
                "mean_return": _short(returns[rows].mean()),
                "mean_reward": _short(gained[rows].mean()),
            }
            for regime, rows in sorted(regimes.items())
        },
        "cases": _extremes(seen, cases, views, gained, shown),
    }


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
    """Spearman's correlation and its t = r sqrt((n - 2) / (1 - r^2)); 0 and 0 where either does not vary.

    :param x: (n,) finite; ties share their mean rank.
    """
    first, second = rankdata(x), rankdata(y)
    n = len(first)
    spread = first.std() * second.std()
    if n < 3 or spread == 0.0:
        return 0.0, 0.0
    r = float(((first - first.mean()) * (second - second.mean())).mean() / spread)
    r = min(max(r, -1.0), 1.0)
    return r, r * math.sqrt((n - 2) / max(1.0 - r * r, 1e-12))


def _evidence(seen: Sequence[Mapping[str, float]], returns: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    columns: dict[str, dict[int, float]] = defaultdict(dict)
    for i, numbers in enumerate(seen):
        for name, value in numbers.items():
            columns[name][i] = value
    rows = []
    for name, column in columns.items():
        if len(column) >= LEAST_FOR_A_FIGURE:
            figure = _figure(list(column.values()), returns[list(column)])
            rows.append({"name": name, **figure})
    return sorted(rows, key=lambda row: (-abs(row["t"]), row["name"]))


def _seen(role: Role, case: TuningCase, disguises: Disguises) -> dict[str, float]:
    """The numbers that the agent goes by, by name."""
    episode = case.episode
    if role.stage == 2:
        # Prompts do not show the arithmetic agents by default: what is not seen is no finding.
        unseen = {role.name, *RULE_AGENTS}
        return {v.agent: v.depth for v in episode.views if v.agent not in unseen and not v.abstains}
    numbers = {name: x for name, x in episode.view.features.items() if may_see_feature(name, role.sees)}
    if "context" in role.sees:
        context = episode.view.context
        names = disguises.of(episode.view).names(tuple(context))
        numbers |= dict(zip(names, context.values(), strict=True))
    cases = episode.recall.neighbours
    if "memory" in role.sees and cases:
        numbers["recall"] = sum(n.market_return for n in cases) / len(cases)
    return numbers


def _figure(values: Sequence[float], returns: npt.NDArray[np.float64]) -> dict[str, float]:
    r, t = rank_correlation(values, returns)
    return {"ic": _short(r), "t": round(t, 2) + 0.0, "n": len(values)}


def _extremes(
    seen: Sequence[Mapping[str, float]],
    cases: Sequence[TuningCase],
    views: Sequence[AgentView],
    rewards: npt.NDArray[np.float64],
    shown: int,
) -> list[dict[str, Any]]:
    order = np.argsort(rewards, kind="stable").tolist()
    half = min(shown, len(order)) // 2
    chosen = [*order[:half], *order[len(order) - (min(shown, len(order)) - half) :]]
    return [
        {
            "saw": {name: _short(x) for name, x in sorted(seen[i].items())},
            "regime": cases[i].episode.view.regime,
            "belief": views[i].belief,
            "depth": _short(views[i].depth),
            "confidence": _short(views[i].confidence),
            "market_return": _short(cases[i].normalised_return),
            "reward": _short(float(rewards[i])),
        }
        for i in chosen
    ]


def _short(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0


Findings = Mapping[str, Any]
