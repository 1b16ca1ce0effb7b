"""From the options of `factors mine` to a search: config, candles, spans, model and ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_market.config import AgentMarketSettings
    from agent_market.factors.mining.api import MiningResult, Span
    from agent_market.factors.panel import CandlePanel
    from agent_market.llm.answers.sources import Answers
    from agent_market.store.database import Database


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of one search; None takes the config's or the default."""

    userdir: Path
    config: Sequence[Path] | None = None
    datadir: Path | None = None
    start: datetime | None = None
    prove_from: datetime | None = None
    end: datetime | None = None
    candidates: int | None = None
    seed: int | None = None
    llm: bool = True
    quiet: bool = False


def run_search(wanted: Wanted) -> tuple[MiningResult, AgentMarketSettings]:
    """Run the search, with a line a batch on stderr.

    :raises ConfigError: the config is refused, or the days are out of order.
    :raises DataError: candles are missing.
    """
    from agent_market.factors.mining.api import mine, panel_of
    from agent_market.store.database import Database, store_url
    from agent_market.universe import universe_of
    from agent_market.utils.console import Console

    settings, config = settings_of(wanted.userdir, wanted.config)
    changes = {"candidates": wanted.candidates, "seed": wanted.seed}
    given = {key: value for key, value in changes.items() if value is not None}
    settings = settings.model_copy(update={"mining": settings.mining.model_copy(update=given)})
    panel = panel_of(
        wanted.datadir or Path(config["datadir"]),
        universe_of({**config, "datadir": wanted.datadir or config["datadir"]}),
        str(config.get("timeframe") or "1h"),
        str(config.get("trading_mode") or "spot"),
    )
    span, promote_span = spans_of(panel, wanted, settings.mining.promote_share)
    console = Console(stderr=True, quiet=wanted.quiet)

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    say(f"{len(panel.pairs)} pairs; searched on {span}, proven on {promote_span}")
    database = Database(store_url(settings.store.url, wanted.userdir))
    try:
        with _asked(settings, database, wanted.llm) as client, console.status("searching for factors"):
            return mine(settings, panel, span, promote_span, client, database, wanted.userdir, say), settings
    finally:
        database.close()


def settings_of(userdir: Path, config: Sequence[Path] | None) -> tuple[AgentMarketSettings, dict[str, Any]]:
    """Our settings and freqtrade's merged config.

    :raises ConfigError: freqtrade or Agent Market refuses it.
    """
    import logging

    from agent_market.commands.checks.settings import load_config
    from agent_market.config import load_settings
    from agent_market.errors import ConfigError

    logging.disable(logging.WARNING)  # freqtrade logs each step of loading a config
    try:
        loaded, finding = load_config(config or [userdir / "config.json"], userdir)
    finally:
        logging.disable(logging.NOTSET)
    if loaded is None:
        raise ConfigError(f"{finding.detail}; name your config with -c")
    return load_settings(loaded), loaded


def spans_of(panel: CandlePanel, wanted: Wanted, promote_share: float) -> tuple[Span, Span]:
    """The span to search and the span to prove it on, from days or from the candles there are."""
    import pandas as pd

    from agent_market.factors.mining.api import Span, halves

    start, middle, end = (_utc(day) for day in (wanted.start, wanted.prove_from, wanted.end))
    rows = len(panel.times) if end is None else int(panel.times.searchsorted(pd.Timestamp(end), side="right"))
    known = panel.window(0, rows)
    if middle is None:
        return halves(known, promote_share, start)
    first, last = (known.times[i].to_pydatetime() for i in (0, -1))
    return Span(start or first, middle), Span(middle, last)


@contextmanager
def _asked(settings: AgentMarketSettings, database: Database, wanted: bool) -> Iterator[Answers | None]:
    if not wanted or "llm" not in settings.mining.proposers:
        yield None
        return
    from agent_market.llm.answers.sources import open_answers

    answers = open_answers(settings.llm, database, settings.budget, "factor mining")
    try:
        yield answers
    finally:
        answers.close()


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)
