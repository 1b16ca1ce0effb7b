"""A features file with factors of the tests' choice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from agent_market.factors.mining.files import FeatureEntry, Features, write
from agent_market.factors.mining.records import factor_name
from agent_market.factors.parse import parse_factor


def put_in_force(
    user_data: Path, expressions: Sequence[str], known_at: datetime, minutes: int = 60, **changes: object
) -> tuple[str, ...]:
    """Write `freqai_features.json`; the names of its columns."""
    trees = [parse_factor(text) for text in expressions]
    factors = tuple(
        FeatureEntry(
            name=factor_name(tree), expression=str(tree), hash=tree.digest, known_at=known_at, weight=0.5
        ).model_copy(update=changes)
        for tree in trees
    )
    write(
        Features(
            schema="agent-market/features/1",
            run="test",
            known_at=known_at,
            proven=True,
            deflated_p=0.01,
            timeframe_minutes=minutes,
            horizon=24,
            pairs=("BTC/USDT",),
            factors=factors,
        ),
        user_data,
    )
    return tuple(f"%-{factor_name(tree)}" for tree in trees)
