"""From the record of a search to the features in force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent_market.config import MiningSettings
from agent_market.errors import DataError
from agent_market.factors.mining.files import (
    EXPRESSIONS_FILE,
    FEATURES_SCHEMA,
    Expressions,
    FeatureEntry,
    Features,
    read_expressions,
    read_features,
    utc,
    write,
)


@dataclass(frozen=True, slots=True)
class Published:
    """What FreqAI will load: column names, whether they were promoted, and lines for people."""

    file: Path
    factors: tuple[str, ...]
    proven: bool
    lines: tuple[str, ...]


def publish(user_data: Path, settings: MiningSettings) -> Published:
    """Write `freqai_features.json` from `freqai_expressions.json`.

    A pool that was promoted replaces what is in force.  One that was not leaves it as it is, unless
    `mining.unproven` asks for it.  A features file that cannot be read is replaced, and that is reported.

    :raises DataError: the record of the search is absent or cannot be read.
    """
    found = read_expressions(user_data)
    if found is None:
        raise DataError(f"{EXPRESSIONS_FILE} is missing; run `agent-market factors mine` first")
    lines = []
    try:
        held = read_features(user_data)
    except DataError as error:
        held = None
        lines.append(f"replaced: {error}")
    if found.promoted or (settings.unproven and found.factors):
        new = _features_of(found)
        how = "promoted" if found.promoted else "unproven, published because `mining.unproven` is set"
        lines.append(f"{len(new.factors)} factors ({how}); in force from {utc(new.known_at)} on")
    elif held is not None:
        new = held
        lines.append(
            f"the new pool was not promoted; {len(held.factors)} factors of {utc(held.known_at)} stay"
        )
    else:
        new = _features_of(found).model_copy(update={"factors": ()})
        lines.append("the new pool was not promoted, and nothing was in force: no factor becomes a feature")
    file = write(new, user_data)
    return Published(file, tuple(f.name for f in new.factors), new.proven, tuple(lines))


def _features_of(found: Expressions) -> Features:
    return Features(
        schema=FEATURES_SCHEMA,
        run=found.run,
        known_at=found.known_at,
        proven=found.promoted,
        deflated_p=found.verdict.deflated_p if found.verdict else None,
        timeframe_minutes=found.timeframe_minutes,
        horizon=found.horizon,
        pairs=found.pairs,
        factors=tuple(
            FeatureEntry(
                name=f.name, expression=f.expression, hash=f.hash, known_at=f.known_at, weight=f.weight
            )
            for f in found.factors
        ),
    )
