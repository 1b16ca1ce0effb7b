"""Mined factors as trained features: `%-factor_<hash>` columns from `llm_feedback/freqai_features.json`.

A factor was chosen on data up to its `known_at`.  A backtest that starts before would trade on a choice made
with its own future, so the factor is withheld there, and that is logged; `factors.hindsight` uses it anyway,
and the report says so.  A file that is empty, broken or made for other candles costs its factors, never the
run.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.enums import TRADE_MODES
from freqtrade.exchange import timeframe_to_minutes

from agent_market.config import load_settings
from agent_market.errors import DataError, ExpressionError
from agent_market.factors.mining.files import FEATURES_FILE, FeatureEntry, read_features, utc
from agent_market.factors.mining.records import factor_name
from agent_market.factors.operators import OPERATORS
from agent_market.factors.parse import parse_factor
from agent_market.factors.tree import FIELD, NUMBER, Tree
from agent_market.factors.types import FIELDS
from agent_market.factors.warmup import lookback
from agent_market.features.features import TRAINED

if TYPE_CHECKING:
    from freqtrade.strategy import IStrategy

logger = logging.getLogger(__name__)

NO_VALUE = 0.0
"""What a column holds where the factor has no value after its warm-up: FreqAI would drop the whole row."""


@dataclass(frozen=True, slots=True)
class FactorBook:
    """The factors that this run may use, by column name, and why others are not among them."""

    trees: Mapping[str, Tree] = field(default_factory=dict)
    lookback: int = 0
    withheld: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any], quiet: bool = False) -> FactorBook:
        """What the features file holds for the run of this config; each factor left out is logged.

        :param quiet: log nothing.
        """
        book = _read_book(config)
        if quiet:
            return book
        for reason in book.withheld:
            logger.warning("%s: %s", FEATURES_FILE, reason)
        if book.trees:
            logger.info("%d mined factors are features of the model", len(book.trees))
        return book

    def at(self, asof: datetime) -> Mapping[str, Tree]:
        """The factors by column name: the same at every moment of a run, as its trained features are."""
        return self.trees

    def refreshed(self) -> FactorBook:
        """Itself: the model is trained on these columns. What was mined since waits for the next start."""
        return self

    def digest(self, until: datetime | None = None) -> str:
        """Hash of the columns; empty where there are none.

        :param until: makes no difference: the columns of a run are chosen at its start.
        """
        names = "\n".join(sorted(tree.digest for tree in self.trees.values()))
        return hashlib.sha256(names.encode()).hexdigest()[:16] if names else ""


def add_factors(
    candles: pd.DataFrame,
    book: FactorBook,
    pair: str,
    minutes: int,
    peers: Callable[[], Mapping[str, pd.DataFrame]],
) -> pd.DataFrame:
    """The candles with one `%-factor_<hash>` column a factor.

    Causal: a row depends on its own candle and earlier ones.  NaN in the warm-up of the frame, `NO_VALUE`
    where the factor has no value later.

    :param peers: candles of the other pairs, asked for only where a factor compares pairs.
    """
    if not book.trees or candles.empty:
        return candles
    alone = [tree for tree in book.trees.values() if not _compares_pairs(tree)]
    beside = [tree for tree in book.trees.values() if _compares_pairs(tree)]
    own = candles[["date", *FIELDS]]
    values = _values(alone, {pair: own}, minutes)
    if beside:
        first = candles["date"].iloc[0]
        others = {name: frame for name, frame in peers().items() if name != pair}
        within = {name: frame[frame["date"] >= first] for name, frame in others.items()}
        market = {pair: own, **{name: frame for name, frame in within.items() if len(frame)}}
        values |= _values(beside, market, minutes)
    columns = {name: values[tree.digest] for name, tree in book.trees.items()}
    added = pd.DataFrame(columns, index=candles.index)
    return pd.concat([candles.drop(columns=added.columns, errors="ignore"), added], axis=1)


def peer_candles(strategy: IStrategy, pairs: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Candles of each pair that has any, the longest history there is.

    Live, FreqAI trains on its own history, which reaches further back than what the data provider holds.
    """
    drawer = getattr(getattr(strategy, "freqai", None), "dd", None)
    history = getattr(drawer, "historic_data", {})
    found = {}
    for pair in pairs:
        frames = [strategy.dp.get_pair_dataframe(pair, strategy.timeframe)]
        frames += [history[pair][strategy.timeframe]] if strategy.timeframe in history.get(pair, {}) else []
        full = [frame[["date", *FIELDS]] for frame in frames if len(frame)]
        if full:
            found[pair] = max(full, key=lambda frame: (frame["date"].iloc[-1], len(frame)))
    return found


def _values(trees: Sequence[Tree], market: Mapping[str, pd.DataFrame], minutes: int) -> dict[str, np.ndarray]:
    """Values of the first pair at its own candles, by hash."""
    if not trees:
        return {}
    # The kernels are an extra, and a run without factors does not need it.
    from agent_market.factors.engine import Engine  # noqa: PLC0415
    from agent_market.factors.panel import CandlePanel  # noqa: PLC0415

    panel = CandlePanel.from_candles(market, minutes)
    own = next(iter(market.values()))
    opens = pd.DatetimeIndex(pd.to_datetime(own["date"], utc=True)).as_unit("ms")
    rows = (panel.times - pd.Timedelta(minutes=minutes)).get_indexer(opens)
    engine = Engine(panel)
    found = {}
    for tree in trees:
        values = engine.evaluate(tree)[0, rows]
        ripe = np.arange(len(values)) >= lookback(tree, minutes) - 1
        # A window that is 80% full has a value, but one that would depend on where the frame begins.
        values = np.where(ripe, np.where(np.isnan(values), NO_VALUE, values), np.nan)
        found[tree.digest] = values
    return found


def _read_book(config: Mapping[str, Any]) -> FactorBook:
    settings = load_settings(config).factors
    if not settings.enabled:
        return FactorBook()
    try:
        file = read_features(Path(config["user_data_dir"]))
    except DataError as error:
        return FactorBook(withheld=(f"no factor is used: {error}",))
    if file is None or not file.factors:
        return FactorBook()
    minutes = timeframe_to_minutes(config["timeframe"]) if config.get("timeframe") else file.timeframe_minutes
    if minutes != file.timeframe_minutes:
        reason = (
            f"no factor is used: they were mined on {file.timeframe_minutes}-minute candles, not {minutes}"
        )
        return FactorBook(withheld=(reason,))
    start = _start(config)
    trees: dict[str, Tree] = {}
    withheld = []
    for feature in file.factors:
        if not settings.hindsight and (start is None or feature.known_at > start):
            withheld.append(
                f"{feature.name} is withheld: it was chosen on data up to {utc(feature.known_at)}, and this "
                f"run starts {'at the first candle there is' if start is None else utc(start)}"
            )
            continue
        tree = _tree(feature, minutes)
        if isinstance(tree, Tree):
            trees[f"{TRAINED}{factor_name(tree)}"] = tree
        else:
            withheld.append(tree)
    reach = max((lookback(tree, minutes) for tree in trees.values()), default=0)
    return FactorBook(trees, reach, tuple(withheld))


def _tree(feature: FeatureEntry, minutes: int) -> Tree | str:
    """The tree, or why it is left out."""
    try:
        tree = parse_factor(feature.expression)
        lookback(tree, minutes)
    except (ExpressionError, DataError) as error:
        return f"{feature.name} is left out: {error}"
    if tree.digest != feature.hash:
        return (
            f"{feature.name} is left out: its expression `{tree}` has hash {tree.digest}, not {feature.hash}"
        )
    return tree


def _compares_pairs(tree: Tree) -> bool:
    operators = (n.operator for n in tree.walk() if n.operator not in (FIELD, NUMBER))
    return any(OPERATORS[name].group == "cross-section" for name in operators)


def _start(config: Mapping[str, Any]) -> datetime | None:
    """When the run starts to trade; None for a backtest over all candles there are."""
    if config.get("runmode") in TRADE_MODES:
        return datetime.now(UTC)
    starts = TimeRange.parse_timerange(str(config.get("timerange") or "")).startts
    return datetime.fromtimestamp(starts, UTC) if starts else None
