"""The sandbox's prices: a `Source` holds candles, a `Market` stands a clock in front of one.

FeatherSource | SyntheticSource  ->  StandingMarket | LiveMarket  ->  FaultyMarket  ->  exchange
"""

from agent_market.sandbox.market.candles import TIMEFRAMES, Candles
from agent_market.sandbox.market.clock import LiveMarket, StandingMarket
from agent_market.sandbox.market.faulty import FaultyMarket, MarketFault
from agent_market.sandbox.market.feather import FeatherSource
from agent_market.sandbox.market.protocol import Market, Source
from agent_market.sandbox.market.storm import Storm
from agent_market.sandbox.market.synthetic import SyntheticSource

__all__ = [
    "TIMEFRAMES",
    "Candles",
    "FaultyMarket",
    "FeatherSource",
    "LiveMarket",
    "Market",
    "MarketFault",
    "Source",
    "StandingMarket",
    "Storm",
    "SyntheticSource",
]
