"""The context of `agent-market worker`: a bot's config, its store, and its trades (read-only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from freqtrade.enums import RunMode

from agent_market.jobs.freqtrade_db import FreqtradeTrades, freqtrade_trades
from agent_market.jobs.job import JobContext, Tell
from agent_market.jobs.prices import prices_on_disk
from agent_market.queries.run_context import RunContext, open_source
from agent_market.universe import universe_of


@dataclass(frozen=True)
class WorkerContext:
    """Config, store and trades of the bot whose jobs a worker runs."""

    source: RunContext
    config: Mapping[str, Any]
    trades: FreqtradeTrades | None
    tell: Tell
    wanted: Callable[[], bool]

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        tell: Tell,
        wanted: Callable[[], bool],
    ) -> WorkerContext:
        """Open the store and trades of a bot.

        :param config: the config as merged by freqtrade.
        :param tell: sends an alert.
        :param wanted: returns False once the worker is stopping.
        :raises ConfigError: an invalid setting, or a `db_url` that is neither SQLite nor PostgreSQL.
        """
        as_bot = {**config, "runmode": RunMode.DRY_RUN}  # its decisions, not those of the newest backtest
        return cls(open_source(as_bot), config, freqtrade_trades(config), tell, wanted)

    def bench(self, now: datetime) -> JobContext:
        """Return the job context as of `now`."""
        datadir = Path(self.config["datadir"])
        timeframe = str(self.config.get("timeframe") or "1h")
        mode = str(self.config.get("trading_mode") or "spot")
        return JobContext(
            source=self.source,
            pairs=universe_of(self.config),
            timeframe=timeframe,
            datadir=datadir,
            prices=prices_on_disk(datadir, timeframe, mode, now),
            trades=self.trades,
            currency=str(self.config["stake_currency"]),
            now=now,
            tell=self.tell,
            wanted=self.wanted,
        )
