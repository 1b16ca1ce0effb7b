"""Describe the market state in words, as a query for text recall. Only outstanding features are named.

The lines between ordinary and outstanding leave about a tenth of hourly BTC/USDT candles on either side; they
choose which notes are looked at, and no number depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent_market.records import MarketView

_Test = Callable[[float], bool]

_FEATURE_WORDS: tuple[tuple[str, _Test, str], ...] = (
    ("trend", lambda x: x > 1.0, "uptrend trend up"),
    ("trend", lambda x: x < -1.0, "downtrend trend down"),
    ("rsi_14", lambda x: x >= 0.7, "rsi high overbought"),
    ("rsi_14", lambda x: x <= 0.3, "rsi low oversold"),
    ("macd_hist", lambda x: x > 0.4, "macd rising momentum"),
    ("macd_hist", lambda x: x < -0.4, "macd falling momentum"),
    ("volatility_percentile", lambda x: x >= 2 / 3, "high volatility wild"),
    ("volatility_percentile", lambda x: x <= 1 / 3, "low volatility calm"),
    ("turbulence_percentile", lambda x: x >= 0.95, "high turbulence stress"),
    ("drawdown", lambda x: x >= 0.1, "deep drawdown"),
    ("drawdown", lambda x: x <= 0.01, "at the high breakout"),
    ("volume_z", lambda x: x >= 2.0, "volume spike"),
    ("volume_z", lambda x: x <= -1.0, "thin volume"),
)

_CONTEXT_WORDS: tuple[tuple[str, _Test, str], ...] = (
    ("fear_greed", lambda x: x <= 25.0, "extreme fear"),
    ("fear_greed", lambda x: x >= 75.0, "extreme greed"),
    ("vix", lambda x: x >= 30.0, "vix high"),
    ("funding", lambda x: x < 0.0, "negative funding"),
)


def situation(view: MarketView) -> str:
    """Return words for outstanding features at `view.asof`, the regime first; absent features are skipped."""
    words = [*_words(_FEATURE_WORDS, view.features), *_words(_CONTEXT_WORDS, view.context)]
    return ", ".join([view.regime.replace("-", " "), *words])


def _words(rules: tuple[tuple[str, _Test, str], ...], values: Mapping[str, float]) -> list[str]:
    return [words for name, test, words in rules if name in values and test(values[name])]
