"""Trading pairs as Binance lists them: symbol ids, ticks, lots and `exchangeInfo`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_market.sandbox.exchange.errors import invalid_symbol
from agent_market.sandbox.market import Market

_NEVER = 4133404800000  # Binance's delivery date of a perpetual, 2100-12-25
_MIN_NOTIONAL = "5.00000000"
_PRECISION = 8


@dataclass(frozen=True, slots=True)
class Symbol:
    """One pair ("BTC/USDT"), its id ("BTCUSDT"), and the decimals of prices and quantities."""

    pair: str
    price_decimals: int
    quantity_decimals: int

    @property
    def base(self) -> str:
        return self.pair.split("/")[0]

    @property
    def quote(self) -> str:
        return self.pair.split("/")[1]

    @property
    def id(self) -> str:
        return self.base + self.quote

    @property
    def tick(self) -> float:
        return 10.0**-self.price_decimals

    def price(self, value: float) -> str:
        return f"{value:.8f}"

    def quantity(self, value: float) -> str:
        return f"{value:.8f}"


class SymbolTable:
    """The symbols of a market by id."""

    def __init__(self, market: Market) -> None:
        symbols = [_symbol(market, pair) for pair in market.pairs]
        self._symbols: Mapping[str, Symbol] = {symbol.id: symbol for symbol in symbols}

    def __getitem__(self, name: str) -> Symbol:
        """:raises Refusal: -1121 for an unknown symbol."""
        try:
            return self._symbols[name]
        except KeyError:
            raise invalid_symbol() from None

    def all(self) -> tuple[Symbol, ...]:
        return tuple(self._symbols.values())


def spot_info(symbol: Symbol) -> dict[str, Any]:
    """One entry of `/api/v3/exchangeInfo`."""
    return {
        "symbol": symbol.id,
        "status": "TRADING",
        "baseAsset": symbol.base,
        "baseAssetPrecision": _PRECISION,
        "quoteAsset": symbol.quote,
        "quotePrecision": _PRECISION,
        "quoteAssetPrecision": _PRECISION,
        "baseCommissionPrecision": _PRECISION,
        "quoteCommissionPrecision": _PRECISION,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            *_filters(symbol),
            {
                "filterType": "NOTIONAL",
                "minNotional": _MIN_NOTIONAL,
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
    }


def futures_info(symbol: Symbol, listed: int) -> dict[str, Any]:
    """One entry of `/fapi/v1/exchangeInfo`; `listed` in milliseconds."""
    return {
        "symbol": symbol.id,
        "pair": symbol.id,
        "contractType": "PERPETUAL",
        "deliveryDate": _NEVER,
        "onboardDate": listed,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.base,
        "quoteAsset": symbol.quote,
        "marginAsset": symbol.quote,
        "pricePrecision": symbol.price_decimals,
        "quantityPrecision": symbol.quantity_decimals,
        "baseAssetPrecision": _PRECISION,
        "quotePrecision": _PRECISION,
        "underlyingType": "COIN",
        "triggerProtect": "0.0500",
        "filters": [*_filters(symbol), {"filterType": "MIN_NOTIONAL", "notional": "5"}],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(symbol: Symbol) -> list[dict[str, Any]]:
    lot = f"{10.0**-symbol.quantity_decimals:.8f}"
    most = "9000000.00000000"
    tick = f"{symbol.tick:.8f}"
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200, "limit": 200},
    ]


def _symbol(market: Market, pair: str) -> Symbol:
    first, _ = market.span(pair)
    price = float(market.candles(pair, market.timeframes[0], first, first + 1).open[0])
    # The smallest lot is worth 1 to 10 hundredths of the quote currency at the first price.
    decimals = max(0, min(_PRECISION, 1 + math.ceil(math.log10(price))))
    return Symbol(pair, market.price_decimals(pair), decimals)
