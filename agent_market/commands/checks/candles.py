"""Candles and context series on disk: there, whole, fresh, and enough to train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.commands.checks.finding import Finding, fail, ok, warn
from agent_market.config import ContextSeries, NewsSettings
from agent_market.errors import ConfigError
from agent_market.universe import has_static_list, universe_of

MANY_MISSING = 0.01  # share of candles absent inside the range that is worth a look
DOWNLOAD = "freqtrade download-data -c YOUR_CONFIG --timerange YYYYMMDD-"


def candles(config: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    """One finding for each pair of the config's whitelist, for its main timeframe.

    Absent candles are a warning, not a failure: a dry-run fetches its own, a backtest does not.
    """
    timeframe = config.get("timeframe")
    try:
        pairs = universe_of(config)
    except ConfigError as error:
        yield fail("pairs", str(error), "correct the pattern; freqtrade would trade no pair")
        return
    yield from trained_pairs(config, pairs)
    if not pairs or not timeframe:
        yield warn(
            "candles", "the config names no timeframe or no pairs", "set both to have the data checked"
        )
        return
    absent = []
    for pair in pairs:
        found = _pair(config, pair, timeframe, now)
        if found is None:
            absent.append(pair)
        else:
            yield found
    if absent:
        yield warn(
            "candles", f"no {timeframe} candles of {', '.join(absent)} in {config['datadir']}", DOWNLOAD
        )


def trained_pairs(config: Mapping[str, Any], pairs: Sequence[str]) -> Iterator[Finding]:
    """What FreqAI trains of the traded pairs, where the pair list is not simply a list of names.

    :param pairs: the list as freqtrade makes it of the candles on disk (`universe_of`).
    """
    if not config.get("freqai", {}).get("enabled", False):
        return
    listed = config.get("exchange", {}).get("pair_whitelist") or []
    names = ", ".join(pairs) or "none"
    if not has_static_list(config):
        method = config["pairlists"][0].get("method")
        advice = "name the pairs in exchange.pair_whitelist, and use StaticPairList"
        if not listed:
            yield fail(
                "pairs",
                f"{method} makes the list, and FreqAI trains no pair: pair_whitelist is empty",
                advice,
            )
        else:
            kept = ", ".join(listed)
            yield warn("pairs", f"FreqAI trains only {kept}, while {method} may trade any", advice)
    elif set(pairs) != set(listed):
        found = f"{', '.join(listed)} stands for {names} (of the pairs on disk, less the blacklist)"
        if pairs:
            yield ok("pairs", f"FreqAI trains {names}: {found}")
        else:
            yield warn("pairs", f"{found}: nothing to train in a backtest", DOWNLOAD)


def _pair(config: Mapping[str, Any], pair: str, timeframe: str, now: datetime) -> Finding | None:
    """What is on disk of one pair; None if there is nothing."""
    from freqtrade.data.history.datahandlers import get_datahandler
    from freqtrade.enums import CandleType, TradingMode
    from freqtrade.exchange import timeframe_to_seconds

    what = f"candles {pair} {timeframe}"
    mode = TradingMode(config.get("trading_mode", "spot"))
    kind = CandleType.get_default(mode)
    handler = get_datahandler(config["datadir"], config.get("dataformat_ohlcv", "feather"))
    if (pair, timeframe, kind) not in handler.ohlcv_get_available_data(config["datadir"], mode):
        return None
    frame = handler.ohlcv_load(
        pair, timeframe, candle_type=kind, fill_missing=False, drop_incomplete=False, warn_no_data=False
    )
    if frame.empty:  # also what freqtrade makes of a file that it cannot read
        return fail(what, "the file is empty or cannot be read", f"delete it, then {DOWNLOAD}")

    step = timedelta(seconds=timeframe_to_seconds(timeframe))
    first, last = frame["date"].iloc[0].to_pydatetime(), frame["date"].iloc[-1].to_pydatetime() + step
    span, age = last - first, now - last
    missing = round(span / step) - len(frame)
    detail = f"{first:%Y-%m-%d} to {last:%Y-%m-%d %H:%M}, {missing} missing"
    freqai = config.get("freqai", {})
    need = timedelta(days=freqai.get("train_period_days", 0) + freqai.get("backtest_period_days", 0))
    if span < need:
        return warn(
            what,
            f"{detail}: {span.days} days",
            f"one training and one backtest window need {need.days} days, and the indicators some before "
            f"them: {DOWNLOAD}",
        )
    if missing > MANY_MISSING * len(frame):
        return warn(what, detail, f"if the exchange has them: {DOWNLOAD} --erase")
    return ok(what, f"{detail}, last one {_age(age)} old")


def context_series(series: ContextSeries, user_data: Path) -> Finding:
    """Whether one dated series is on disk and loads as perception would load it."""
    from agent_market.errors import AgentMarketError
    from agent_market.perception.context import ContextBook

    what = f"context {series.name}"
    try:
        ContextBook.load((series,), user_data)
    except AgentMarketError as error:
        return fail(what, str(error), "correct the path or the columns in agent_market.perception.context")
    return ok(what, "loads")


def news_files(news: NewsSettings, user_data: Path) -> Finding:
    """Whether the news files are on disk and load as perception would load them."""
    from agent_market.errors import AgentMarketError
    from agent_market.perception.news import NewsBook

    try:
        book = NewsBook.load(news, user_data)
    except AgentMarketError as error:
        return fail("news", str(error), "correct the file or its path in agent_market.perception.news")
    return ok("news", f"{len(book.items):,} items load")


def _age(age: timedelta) -> str:
    hours = max(0, round(age.total_seconds() / 3600))
    return f"{hours} h" if hours < 72 else f"{hours // 24} days"
