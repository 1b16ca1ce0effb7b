"""The strategies that are put under stress: one that always enters, and one that follows the committee."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from agent_market.agents.committee import Committee, open_committee
from agent_market.agents.prompts.belief_history import DecisionHistory
from agent_market.books import Shelf, ShelfHolder
from agent_market.decision.experts.virtual_experts import seats
from agent_market.decision.learner import WeightLearner
from agent_market.features.features import WARM_UP, market_features
from agent_market.features.state import state_matrix
from agent_market.features.view import make_view
from agent_market.memory.episodic import EpisodicMemory
from agent_market.pipeline.cycle import CycleContext, run_cycle
from agent_market.pipeline.latest_views import LatestViews
from agent_market.records import AgentView, Episode, Headline
from agent_market.store.database import Database, store_url
from agent_market.strategy.guarded import GuardedStrategy

SCOPE = "stress"
NO_QUANT = "no model is trained in the stress suite"


class _AlwaysIn:
    """Enter every pair at every candle, and never exit."""

    timeframe = "1m"
    stoploss = -0.10
    minimal_roi = {"0": 10}  # noqa: RUF012 - as freqtrade has it
    startup_candle_count = 250
    process_only_new_candles = False

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """The candles as they are."""
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """In."""
        dataframe["enter_long"] = 1
        dataframe["enter_tag"] = f"stress {metadata['pair']}@now"
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Never out."""
        return dataframe

    def custom_entry_price(
        self,
        pair: str,
        trade: Any,
        current_time: datetime,
        proposed_rate: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """Through the spread: prices move between freqtrade's two looks at the book."""
        return proposed_rate * 1.001


class Eager(_AlwaysIn, GuardedStrategy):
    """Always enter, behind the risk layer, so that only the layer can refuse an entry."""


class Bare(_AlwaysIn, IStrategy):
    """Always enter, without the risk layer; the reference in backtests."""


class Advised(Eager):
    """Enter where the committee's decision, after the depth limits, is to buy.

    The real committee, `run_cycle` and gate; no trained model and an empty memory stand beside the agents. It
    decides again on each pair after `ask_again`, and waits for the answers (a real bot does not).
    """

    startup_candle_count = WARM_UP + 50

    def bot_start(self, **kwargs: Any) -> None:
        """Attach to the bot, and create the committee."""
        super().bot_start(**kwargs)
        self.headlines: tuple[str, ...] = ()
        self.decisions: dict[str, Episode] = {}
        user_data = Path(self.config["user_data_dir"])
        self._database = Database(store_url(self.settings.store.url, user_data))
        pairs = self.config["exchange"]["pair_whitelist"]
        books = ShelfHolder(self.config)
        books.connect(self._database, SCOPE)
        self._committee: Committee = open_committee(
            self.settings,
            self._database,
            user_data,
            pairs=pairs,
            is_live=True,
            scope=SCOPE,
            books=books,
        )
        self.books = books
        self.attachment.on_detach(self._leave)

    def ask_again(self, *headlines: str) -> None:
        """Decide again at the next candle loop, with these headlines in the news."""
        self.headlines = headlines
        self.decisions.clear()

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """The committee's decision on the newest candle."""
        pair = metadata["pair"]
        if pair not in self.decisions and len(dataframe) > WARM_UP:
            self.decisions[pair] = self._decide(pair, dataframe)
        episode = self.decisions.get(pair)
        if episode is not None and episode.verdict.action == "buy":
            dataframe["enter_long"] = 1
            dataframe["enter_tag"] = f"stress {episode.decision.id}"
        return dataframe

    def _decide(self, pair: str, dataframe: DataFrame) -> Episode:
        features = market_features(dataframe).iloc[-1:]
        asof = pd.Timestamp(dataframe["date"].iloc[-1]).to_pydatetime() + timedelta(minutes=1)
        shelf = self._shelf()
        view = make_view(
            pair,
            self.timeframe,
            asof,
            {str(name): float(value) for name, value in features.iloc[0].items()},
            shelf.context.at(asof),
            state_matrix(features)[0],
            float(dataframe["close"].iloc[-1]),
            (*(Headline(asof, text) for text in self.headlines), *shelf.news.headlines(pair, asof)),
        )
        quant = AgentView.abstain("quant", NO_QUANT)
        return run_cycle(view, quant, timedelta(minutes=12), self._desk(pair))

    def _desk(self, pair: str) -> CycleContext:
        names = seats([role.name for role in self._committee.roles], self.settings.decision)
        return CycleContext(
            SCOPE,
            self.settings,
            EpisodicMemory(self._database, SCOPE, pair, self.settings.memory),
            self._shelf().lessons,
            self._committee,
            LatestViews(timedelta(0)),
            WeightLearner(names, self.settings.decision),
            DecisionHistory(),
        )

    def _shelf(self) -> Shelf:
        assert self.books is not None
        return self.books()

    def _leave(self) -> None:
        self._committee.close()
        self._database.close()
