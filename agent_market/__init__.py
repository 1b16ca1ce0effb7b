"""Agent Market: self-evolving LLM trading agents that run inside freqtrade.

A researcher needs only this module: each name in `__all__` is imported from its file the first time it is
used, so `import agent_market` costs nothing. docs/reference/library.md has their docstrings.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_market.agents.committee import Committee
    from agent_market.config import AgentMarketSettings
    from agent_market.decision.experts.base import Weighting
    from agent_market.decision.experts.choose import make_weighting
    from agent_market.decision.panel import DecisionPanel
    from agent_market.decision.replay import replay
    from agent_market.evaluation.panel_builder import build_panel
    from agent_market.factors.mining.api import mine
    from agent_market.features.features import market_features
    from agent_market.memory.episodic import EpisodicMemory
    from agent_market.memory.index.vectors import PointInTimeVectors
    from agent_market.pipeline.cycle import CycleContext, run_cycle
    from agent_market.records import AgentView, Decision, Episode, MarketView, Outcome
    from agent_market.rl.env.single import TradingEnv
    from agent_market.stats.bootstrap import paired_mean_test
    from agent_market.stats.deflation import deflated_sharpe

__version__ = "0.1.0"

# The one list of the library's names and the files that define them.
_HOMES = {
    "AgentMarketSettings": "config",
    "AgentView": "records",
    "Committee": "agents.committee",
    "CycleContext": "pipeline.cycle",
    "Decision": "records",
    "DecisionPanel": "decision.panel",
    "Episode": "records",
    "EpisodicMemory": "memory.episodic",
    "MarketView": "records",
    "Outcome": "records",
    "PointInTimeVectors": "memory.index.vectors",
    "TradingEnv": "rl.env.single",
    "Weighting": "decision.experts.base",
    "build_panel": "evaluation.panel_builder",
    "deflated_sharpe": "stats.deflation",
    "make_weighting": "decision.experts.choose",
    "market_features": "features.features",
    "mine": "factors.mining.api",
    "paired_mean_test": "stats.bootstrap",
    "replay": "decision.replay",
    "run_cycle": "pipeline.cycle",
}

__all__ = [
    "AgentMarketSettings",
    "AgentView",
    "Committee",
    "CycleContext",
    "Decision",
    "DecisionPanel",
    "Episode",
    "EpisodicMemory",
    "MarketView",
    "Outcome",
    "PointInTimeVectors",
    "TradingEnv",
    "Weighting",
    "build_panel",
    "deflated_sharpe",
    "make_weighting",
    "market_features",
    "mine",
    "paired_mean_test",
    "replay",
    "run_cycle",
]

# Their INFO lines tell a trader nothing and some alarm him ("Could not load library with AVX2 support").
for _name in ("alembic", "faiss.loader"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
