"""Which factor groups stand behind which entries of a prompt: what a role may see, and what it may not.

Features go by their group in `features.features`, turbulence with volatility; a feature of no known group
is seen by all. The regime is made of trend and volatility, and shown to who sees both.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from agent_market.config import FactorGroup
from agent_market.features.features import FEATURES

_GROUPS: dict[str, FactorGroup] = {
    **{spec.name: spec.group for spec in FEATURES},
    "turbulence": "volatility",
    "turbulence_percentile": "volatility",
}
_REGIME: frozenset[FactorGroup] = frozenset({"trend", "volatility"})


def may_see_feature(name: str, sees: Collection[FactorGroup]) -> bool:
    """Whether a role with this sight is shown the feature."""
    group = _GROUPS.get(name)
    return group is None or group in sees


@lru_cache(maxsize=1024)
def visible(names: tuple[str, ...], sees: frozenset[FactorGroup]) -> tuple[int, ...]:
    """Places in `names` of the features that a role with this sight is shown."""
    return tuple(place for place, name in enumerate(names) if may_see_feature(name, sees))


def may_see_regime(sees: Collection[FactorGroup]) -> bool:
    """Whether a role with this sight is shown the regime."""
    return _REGIME.issubset(sees)
