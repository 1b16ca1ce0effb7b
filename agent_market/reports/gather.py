"""From a result file to everything that a report shows: config, decisions and candles of the same run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from freqtrade.exchange import timeframe_to_seconds

from agent_market.config import AgentMarketSettings, load_settings
from agent_market.records import Episode
from agent_market.reports.candles import load_candles
from agent_market.reports.comparison import compare
from agent_market.reports.html import ReportContent
from agent_market.reports.result import BacktestRun, load_run
from agent_market.store.database import Database, store_url
from agent_market.store.episodes import episodes_of


def gather(result: Path, user_data: Path, datadir: Path | None = None) -> ReportContent:
    """Read a backtest result and what belongs to it.

    Settings are those of the config that freqtrade stored inside the result, so the report of an old result
    does not change when the config does.

    :param datadir: folder of candles; None takes freqtrade's default for the exchange.
    :raises DataError: the result cannot be read.
    :raises StoreError: the database of decisions cannot be opened.
    """
    run = load_run(result)
    settings = load_settings(run.config)
    first = run.first
    candles = load_candles(
        datadir or _datadir(run, user_data),
        first.pairs,
        first.timeframe,
        first.trading_mode,
        first.start,
        first.end,
    )
    return ReportContent(
        run=run,
        comparison=compare(run, candles, settings.costs.fee),
        episodes=episodes_in(run, settings, user_data),
        candles=candles,
        settings=settings,
        written_at=datetime.now(UTC),
    )


def episodes_in(run: BacktestRun, settings: AgentMarketSettings, user_data: Path) -> tuple[Episode, ...]:
    """The decisions of the run's scope that were made within its span (closes of its candles)."""
    scope = settings.memory.scope or run.first.identifier
    if scope is None:
        return ()
    candle = timedelta(seconds=timeframe_to_seconds(run.first.timeframe))
    database = Database(store_url(settings.store.url, user_data))
    try:
        found = episodes_of(database, scope)
    finally:
        database.close()
    # A decision on the candle before the first one is traded at the run's first open.
    return tuple(e for e in found if run.first.start <= e.view.asof <= run.first.end + candle)


def _datadir(run: BacktestRun, user_data: Path) -> Path:
    """Where freqtrade keeps candles unless told otherwise; it stores no `--datadir` with its results."""
    return user_data / "data" / str(run.config.get("exchange", {}).get("name", "")).lower()
