"""The named things in a text: assets, pairs, indicators, events, regimes. By rule, so that equal texts agree.

Names are `kind:name`, as nodes of the knowledge graph are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from agent_market.features.features import FEATURES
from agent_market.features.regime import REGIMES, UNKNOWN
from agent_market.llm.egress.identifiers import Vocabulary

INDICATORS: Mapping[str, tuple[str, ...]] = {
    "dxy": ("dollar index",),
    "fear_greed": ("fear and greed", "fear & greed", "sentiment index"),
    "funding": ("funding rate", "funding rates"),
    "macd": (),
    "moving_average": ("moving average", "moving averages", "sma", "ema"),
    "open_interest": ("open interest",),
    "rsi": ("relative strength",),
    "spread": ("bid-ask spread",),
    "trend": (),
    "turbulence": (),
    "vix": (),
    "volatility": ("vol",),
    "volume": ("turnover",),
    "drawdown": ("drawdowns",),
}
"""Indicators by name, with their other names. The names of `features.features` are found as well."""

EVENTS: Mapping[str, tuple[str, ...]] = {
    "cpi": ("inflation print", "consumer prices"),
    "crash": ("flash crash", "capitulation", "sell-off", "selloff"),
    "delisting": ("delisted",),
    "depeg": ("depegged", "lost its peg"),
    "etf": ("spot etf",),
    "expiry": ("options expiry", "quarterly expiry"),
    "fomc": ("fed meeting", "rate decision", "rate hike", "rate cut"),
    "hack": ("hacked", "exploit"),
    "halving": (),
    "holiday": ("holidays",),
    "liquidation": ("liquidations", "liquidation cascade"),
    "listing": ("listed",),
    "nfp": ("payrolls", "jobs report"),
    "rally": ("breakout",),
    "spike": (),
    "upgrade": ("hard fork", "network upgrade"),
    "weekend": ("weekends",),
}
"""Kinds of event by name, with the words that report them."""

_PAIR = re.compile(r"\b([A-Z0-9]{2,12})/([A-Z]{3,6})(?::[A-Z]{3,6})?\b")


def entities(text: str) -> frozenset[str]:
    """Names of the things in `text`, as `asset:BTC`, `pair:BTC/USDT`, `indicator:rsi`, `event:fomc`.

    Coins are found as `llm.egress.identifiers` finds them to hide them, and wherever they stand in a pair.
    """
    found: set[str] = set()
    for pair in _PAIR.finditer(text):
        found |= {f"pair:{pair[1]}/{pair[2]}", f"asset:{pair[1]}", f"asset:{pair[2]}"}
    found |= {f"asset:{hit.label}" for hit in _coins().find(text) if hit.is_coin}
    pattern, names = _words()
    found |= {names[match[0]] for match in pattern.finditer(text.lower())}
    return frozenset(found)


@lru_cache(maxsize=1)
def _coins() -> Vocabulary:
    return Vocabulary()


@lru_cache(maxsize=1)
def _words() -> tuple[re.Pattern[str], dict[str, str]]:
    names: dict[str, str] = {}
    for kind, table in (("indicator", INDICATORS), ("event", EVENTS)):
        for name, others in table.items():
            names |= dict.fromkeys((name, *others), f"{kind}:{name}")
    names |= {spec.name: f"indicator:{spec.name}" for spec in FEATURES if spec.name not in names}
    names |= {name: f"regime:{name}" for name in REGIMES if name != UNKNOWN}
    # The longest first: "spot etf" before "etf".
    words = "|".join(re.escape(word) for word in sorted(names, key=lambda word: (-len(word), word)))
    return re.compile(rf"(?<![a-z0-9_])(?:{words})(?![a-z0-9_])"), names
