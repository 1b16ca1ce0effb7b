"""Faults on demand: set on a `FaultBoard`, by code, over `/admin/faults`, or by a schedule file."""

from agent_market.sandbox.faults.board import FaultBoard, MarketFaults
from agent_market.sandbox.faults.spec import (
    BadAnswer,
    Drop,
    FaultPlan,
    FlashCrash,
    Gullible,
    Latency,
    MalformedJson,
    MissingCandles,
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
    "FaultBoard",
    "FaultPlan",
    "FlashCrash",
    "Gullible",
    "Latency",
    "MalformedJson",
    "MarketFaults",
    "MissingCandles",
    "RateLimit",
    "ServerError",
    "StaleCandles",
    "TruncatedJson",
    "install",
    "load_plan",
]
