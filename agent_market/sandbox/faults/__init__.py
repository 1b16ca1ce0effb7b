"""Faults on demand: set on a `FaultRegistry`, by code, over `/admin/faults`, or by a schedule file."""

from agent_market.sandbox.faults.board import FaultRegistry, MarketFaults
from agent_market.sandbox.faults.spec import (
    BadAnswer,
    Drop,
    FaultPlan,
    FlashCrash,
    Latency,
    MalformedJson,
    MissingCandles,
    PromptInjection,
    RateLimit,
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
    "FlashCrash",
    "Latency",
    "MalformedJson",
    "MarketFaults",
    "MissingCandles",
    "PromptInjection",
    "RateLimit",
    "ServerError",
    "StaleCandles",
    "TruncatedJson",
    "install",
    "load_plan",
]
