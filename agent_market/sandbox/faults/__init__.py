"""Faults on demand: set on a `FaultRegistry`, by code, over `/admin/faults`, or by a schedule file."""

from agent_market.sandbox.faults.board import FaultRegistry, MarketFaults, StreamStrike
from agent_market.sandbox.faults.spec import (
    BadAnswer,
    Drop,
    FaultPlan,
    FeedFault,
    FlashCrash,
    Latency,
    MalformedJson,
    MissingCandles,
    PromptInjection,
    RateLimit,
    SequenceGap,
    ServerError,
    StaleCandles,
    TruncatedJson,
    load_plan,
)
from agent_market.sandbox.faults.switchboard import install

__all__ = [
    "BadAnswer",
    "Drop",
    "FaultPlan",
    "FaultRegistry",
    "FeedFault",
    "FlashCrash",
    "Latency",
    "MalformedJson",
    "MarketFaults",
    "MissingCandles",
    "PromptInjection",
    "RateLimit",
    "SequenceGap",
    "ServerError",
    "StaleCandles",
    "StreamStrike",
    "TruncatedJson",
    "install",
    "load_plan",
]
