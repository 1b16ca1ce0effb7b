"""Small panels of logged decisions for tests."""

from __future__ import annotations

import numpy as np

from agent_market.decision.panel import DecisionPanel

PERIOD = 12 * 3600


def a_panel(
    moments: int = 40,
    pairs: int = 2,
    experts: tuple[str, ...] = ("good", "bad", "noise"),
    seed: int = 0,
    skill: float = 0.3,
    asleep: float = 0.1,
    late: int = 0,
) -> DecisionPanel:
    """`good` sees the return with correlation `skill`, `bad` its opposite, everyone else nothing.

    :param late: an outcome is known so many moments after the next one.
    """
    rng = np.random.default_rng(seed)
    sigma = np.full((moments, pairs), 0.02)
    shock = rng.normal(size=(moments, pairs))
    noise = rng.normal(size=(moments, pairs, len(experts)))
    sight = {"good": skill, "bad": -skill}
    skills = np.array([sight.get(name, 0.0) for name in experts])
    depth = np.tanh(0.5 * (skills * shock[..., None] + np.sqrt(1 - skills**2) * noise))
    depth[rng.random(depth.shape) < asleep] = np.nan
    times = np.arange(1, moments + 1, dtype=np.int64) * PERIOD
    returns = shock * sigma
    return DecisionPanel(
        times=times,
        pairs=tuple(f"P{i}" for i in range(pairs)),
        experts=experts,
        depth=depth,
        confidence=rng.uniform(0.2, 0.8, depth.shape),
        state=rng.normal(size=(moments, pairs, 3)).astype(np.float32),
        regime=rng.integers(0, 3, (moments, pairs)),
        sigma=sigma,
        returns=returns,
        outcome=returns.copy(),
        known_at=np.repeat((times + (1 + late) * PERIOD)[:, None], pairs, axis=1),
    )
