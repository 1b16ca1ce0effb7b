"""The traded pairs: freqtrade's whitelist and blacklist, resolved once and everywhere in the same way.

`exchange.pair_whitelist` may hold regular expressions (`(BTC|ETH)/USDT`, `.*/USDT`), and another pair list
method may ignore it.  Code that needs the *pairs* calls this module and never reads the raw list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from agent_market.errors import ConfigError

STATIC = "StaticPairList"
_PAIR = re.compile(r"[\w-]+/[\w:-]+")


def market_leader(config: Mapping[str, Any]) -> str:
    """The pair whose candles stand for the whole market: BTC in the stake currency, also where not traded."""
    stake = str(config.get("stake_currency") or "")
    return f"BTC/{stake}" + (f":{stake}" if config.get("trading_mode") == "futures" else "")


def universe_of(config: Mapping[str, Any], markets: Iterable[str] | None = None) -> tuple[str, ...]:
    """The pairs that freqtrade trades under `config`, in freqtrade's order, each once.

    Regular expressions are expanded against `markets`; a plain name counts whether it is listed or not, and
    blacklisted pairs are removed.  Where another method than `StaticPairList` makes the list, it is not known
    beforehand: the result is every listed pair in the stake currency that is not blacklisted.

    :param config: a freqtrade config, merged.
    :param markets: the exchange's markets (`exchange.get_markets()`); None takes the pairs with candles in
        `datadir`, which is all that a backtest can trade.
    :raises ConfigError: an entry is not a valid regular expression.

    >>> universe_of({"exchange": {"pair_whitelist": ["(BTC|ETH)/USDT"]}}, ["BTC/USDT", "ETH/USDT", "A/USDT"])
    ('BTC/USDT', 'ETH/USDT')
    """
    from freqtrade.plugins.pairlist.pairlist_helpers import expand_pairlist  # noqa: PLC0415

    listed = tuple(dict.fromkeys(pairs_on_disk(config) if markets is None else markets))
    exchange = config.get("exchange") or {}
    try:
        if has_static_list(config):
            pairs = expand_pairlist(list(exchange.get("pair_whitelist") or ()), list(listed), True)
        else:
            pairs = [pair for pair in listed if is_staked_in(pair, config.get("stake_currency"))]
        blocked = set(expand_pairlist(list(exchange.get("pair_blacklist") or ()), list(listed)))
    except ValueError as error:
        raise ConfigError(
            f"exchange.pair_whitelist or pair_blacklist: {error}; write `.*/USDT`, not `*/USDT`"
        ) from error
    return tuple(dict.fromkeys(pair for pair in pairs if pair not in blocked))


def has_static_list(config: Mapping[str, Any]) -> bool:
    """Whether `pair_whitelist` names the pairs, and no other method makes the list."""
    methods = config.get("pairlists") or [{"method": STATIC}]
    return str(methods[0].get("method", STATIC)) == STATIC


def named_pairs(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The traded pairs where all of them are named: for downloading candles before any are on disk.

    :raises ConfigError: an entry is a pattern, which only the exchange's markets could resolve.
    """
    listed = tuple((config.get("exchange") or {}).get("pair_whitelist") or ())
    for entry in listed:
        if not _PAIR.fullmatch(entry):
            raise ConfigError(
                f"exchange.pair_whitelist has the pattern {entry!r}; here each pair must be named, because "
                "its candles are downloaded before the pattern can be resolved: write the pairs out"
            )
    return universe_of(config, listed)


def is_staked_in(pair: str, currency: Any) -> bool:
    """Whether `pair` is bought with `currency`: `BTC/USDT` and `BTC/USDT:USDT` with USDT; None takes all."""
    return not currency or pair.partition("/")[2].partition(":")[0] == currency


def pairs_on_disk(config: Mapping[str, Any]) -> Collection[str]:
    """Pairs of the trading mode with candles of any timeframe in `datadir`, sorted; none without one."""
    return sorted({pair for pair, _, _ in series_on_disk(config)})


def series_on_disk(config: Mapping[str, Any]) -> tuple[tuple[str, str, Any], ...]:
    """(pair, timeframe, candle type) of each file of candles, funding rates and mark prices in `datadir`."""
    if not config.get("datadir") or not Path(config["datadir"]).is_dir():
        return ()
    from freqtrade.data.history import get_datahandler  # noqa: PLC0415
    from freqtrade.enums import TradingMode  # noqa: PLC0415

    folder = Path(config["datadir"])
    handler = get_datahandler(folder, config.get("dataformat_ohlcv") or "feather")
    mode = TradingMode(config.get("trading_mode") or "spot")
    return tuple(sorted(handler.ohlcv_get_available_data(folder, mode), key=lambda one: tuple(map(str, one))))
