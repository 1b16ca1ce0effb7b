"""The content of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from agent_market.config import AgentMarketSettings
from agent_market.records import Episode
from agent_market.reports.backtest_result import BacktestRun
from agent_market.reports.comparison import Comparison
from agent_market.reports.knowledge import KnowledgeSplit, split_by_knowledge
from agent_market.reports.provenance import warnings_of
from agent_market.reports.silence import silence_of_models


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that a report shows. `episodes` are those decided within the run's span.

    `written_at` is shown at the foot of the page; None leaves it out, so that equal runs give equal pages.
    """

    run: BacktestRun
    comparison: Comparison
    episodes: tuple[Episode, ...]
    candles: Mapping[str, pd.DataFrame]
    settings: AgentMarketSettings
    written_at: datetime | None
    is_signed: bool = True
    """Whether every answer under the name of the sandbox's rules carries their signature."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings to show before any figure."""
        return (
            *silence_of_models(self.episodes),
            *warnings_of(self.settings.llm.model, self.run.config, self.run.notes, self.is_signed),
        )

    @property
    def knowledge(self) -> KnowledgeSplit:
        """Results before and after the models' knowledge cutoff."""
        settings = self.settings
        return split_by_knowledge(
            self.comparison, self.episodes, settings.llm, settings.budget, self.is_signed
        )
