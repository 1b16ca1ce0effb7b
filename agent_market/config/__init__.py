"""All settings of Agent Market, as types: one sentence a field, checked once, at the edge.

They stand under the key `agent_market` of an ordinary freqtrade config, so freqtrade's own ways of
merging files and of setting a key from the environment
(`FREQTRADE__AGENT_MARKET__LLM__BASE_URL=...`) work for them too.  Secrets are never settings:
`llm.api_key_env` names the environment variable that holds the key.

`docs/reference/configuration.md` is generated from this package (`agent-market docs settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_market.config.agents import (
    AgentSettings,
    CalibrationSettings,
    DebateSettings,
    FactorGroup,
    RoleOverride,
    TuningSettings,
)
from agent_market.config.base import SECTION, Settings, parse_settings
from agent_market.config.bot import AlertLevel, AlertSettings, BotSettings, JobSettings, TelegramSettings
from agent_market.config.decision import CostSettings, DecisionSettings, NetSettings
from agent_market.config.factors import FactorSettings, MiningSettings, Proposer
from agent_market.config.memory import (
    ImportanceWeights,
    LayerSettings,
    MemorySettings,
    RankWeights,
    TextSettings,
)
from agent_market.config.models import (
    BudgetSettings,
    Caps,
    EndpointSettings,
    LiveSettings,
    LLMSettings,
    ModelPrice,
    Tier,
)
from agent_market.config.perception import ContextSeries, NewsSettings, PerceptionSettings
from agent_market.config.risk import (
    BreakerSettings,
    EntryLimits,
    ExecutionLimits,
    LiquidityLimits,
    PositionLimits,
    PriceSource,
    RiskBudget,
    RiskSettings,
    Share,
    StopRule,
    StrategyShare,
    TighteningSettings,
    VarLimits,
)
from agent_market.config.sizing import SizingSettings
from agent_market.config.store import StoreSettings

__all__ = [
    "SECTION",
    "AgentMarketSettings",
    "AgentSettings",
    "AlertLevel",
    "AlertSettings",
    "BotSettings",
    "BreakerSettings",
    "BudgetSettings",
    "CalibrationSettings",
    "Caps",
    "ContextSeries",
    "CostSettings",
    "DebateSettings",
    "DecisionSettings",
    "EndpointSettings",
    "EntryLimits",
    "ExecutionLimits",
    "FactorGroup",
    "FactorSettings",
    "ImportanceWeights",
    "JobSettings",
    "LLMSettings",
    "LayerSettings",
    "LiquidityLimits",
    "LiveSettings",
    "MemorySettings",
    "MiningSettings",
    "ModelPrice",
    "NetSettings",
    "NewsSettings",
    "PerceptionSettings",
    "PositionLimits",
    "PriceSource",
    "Proposer",
    "RankWeights",
    "RiskBudget",
    "RiskSettings",
    "RoleOverride",
    "Settings",
    "Share",
    "SizingSettings",
    "StopRule",
    "StoreSettings",
    "StrategyShare",
    "TelegramSettings",
    "TextSettings",
    "Tier",
    "TighteningSettings",
    "TuningSettings",
    "VarLimits",
    "load_settings",
    "parse_settings",
]


class AgentMarketSettings(Settings):
    """The section `agent_market` of a freqtrade config, as frozen types with their defaults.

    Read it from a merged freqtrade config with `load_settings(config)`, or build it from keys:
    `AgentMarketSettings.model_validate({"decision": {"weighting": "boa"}})`.

    :raises ConfigError: from `load_settings`: a key that does not exist, or a value out of range, by name.
    """

    llm: LLMSettings = LLMSettings()
    """The language model endpoint."""
    agents: AgentSettings = AgentSettings()
    """The committee of agents."""
    decision: DecisionSettings = DecisionSettings()
    """Decision points and fusion."""
    sizing: SizingSettings = SizingSettings()
    """From a depth to a position."""
    memory: MemorySettings = MemorySettings()
    """Episodic memory."""
    perception: PerceptionSettings = PerceptionSettings()
    """Features and context."""
    risk: RiskSettings = RiskSettings()
    """Risk limits on depth and orders."""
    bot: BotSettings = BotSettings()
    """The running bot."""
    costs: CostSettings = CostSettings()
    """Trading costs."""
    budget: BudgetSettings = BudgetSettings()
    """What models may cost."""
    live: LiveSettings = LiveSettings()
    """Asking models in dry-run and live."""
    calibration: CalibrationSettings = CalibrationSettings()
    """Calibration of confidence."""
    tuning: TuningSettings = TuningSettings()
    """Prompts that learn."""
    factors: FactorSettings = FactorSettings()
    """Mined factors as features."""
    mining: MiningSettings = MiningSettings()
    """The search for factors."""
    jobs: JobSettings = JobSettings()
    """Work beside trading."""
    store: StoreSettings = StoreSettings()
    """Database."""


def load_settings(config: Mapping[str, Any]) -> AgentMarketSettings:
    """Read and check the section `agent_market` of a freqtrade config.

    :param config: the merged freqtrade config (or any mapping with the section); a missing section
        means all defaults.
    :raises ConfigError: naming each bad key, its value, and the nearest key that exists.
    """
    return parse_settings(AgentMarketSettings, config.get(SECTION, {}), SECTION)
