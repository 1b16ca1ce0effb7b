"""`AgentEnsemble`: a FreqAI model whose prediction is the committee's decision.

FreqAI trains the quant (a LightGBM regressor) with its own pipeline.  On prediction, the rows that call
for a decision go through `cycle.run_cycle`; everything that a strategy needs to fuse the views anew
travels to it as extra columns (`pipeline.columns`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.pipeline import Pipeline
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy import IStrategy
from lightgbm import LGBMRegressor

import agent_market
from agent_market.agents.committee import Committee, open_committee
from agent_market.agents.roles import role_table
from agent_market.books import LIVE_SCOPE, ShelfHolder
from agent_market.config import AgentMarketSettings, load_settings
from agent_market.decision.experts.virtual_experts import seats
from agent_market.errors import AgentMarketError, StoreFull
from agent_market.features.features import FEATURES, market_features
from agent_market.freqai.base_model import BaseAgentModel
from agent_market.freqai.features import has_trained_features, seen_context, seen_features
from agent_market.freqai.memory_features import with_memory
from agent_market.freqai.nets import earlier_nets, require_torch, window_nets
from agent_market.freqai.rule_features import rule_numbers
from agent_market.pipeline.columns import ColumnSchema
from agent_market.pipeline.live_committee import BackgroundCommittee, LiveCommittee
from agent_market.pipeline.quant import TARGET, QuantModel, fit_quality, return_label, skill_voice
from agent_market.pipeline.session import Candles, PairSession, Rows, close_times
from agent_market.runs.manifest import RunManifest, write_manifest
from agent_market.store.database import Database, store_url

logger = logging.getLogger(__name__)


class AgentEnsembleModel(BaseAgentModel, BaseRegressionModel):
    """Base of `user_data/freqaimodels/AgentEnsemble.py`.

    Override `make_regressor` for another quant model.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        try:
            self.settings: AgentMarketSettings = load_settings(config)
            roles = role_table(self.settings.agents)
            require_torch(self.settings)
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        super().__init__(config)
        experts = seats([r.name for r in roles], self.settings.decision)
        self.schema = ColumnSchema(experts, self.settings.memory.k_max)
        self._database: Database | None = None
        self._committee: Committee | None = None
        self._background: BackgroundCommittee | None = None
        self._books: ShelfHolder | None = None
        self._sessions: dict[str, PairSession] = {}
        self._opening = threading.Lock()
        if self.settings.decision.has_nets and self.continual_learning:
            # Nets go on from those of the window before, which a killed run must find again.
            self.save_backtest_models = True

    def start(self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy) -> pd.DataFrame:
        """FreqAI's entry point: decides by the books of the strategy, which refreshes them.

        A strategy that holds none (not one of ours) gets books of its own, refreshed here when live.
        """
        held = getattr(strategy, "books", None)
        if isinstance(held, ShelfHolder):
            self._books = held
        elif strategy.dp.runmode in TRADE_MODES:
            self._shelf_holder().refresh(lambda what, error: logger.error("%s: %r", what, error))
        return super().start(dataframe, metadata, strategy)

    # --- training: the quant -------------------------------------------------------------------------

    def make_regressor(self) -> Any:
        """A new, unfitted regressor with scikit-learn's `fit` and `predict`."""
        return LGBMRegressor(**self.model_training_parameters)

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> QuantModel:
        """Train the quant on one window; see `BaseRegressionModel.train`."""
        with self.training(pair):
            return_label(dk.label_list, unfiltered_df)
            model: QuantModel = super().train(unfiltered_df, pair, dk, **kwargs)
            if self.settings.decision.has_nets:
                model = self._with_nets(model, unfiltered_df, pair, dk)
        if dk.live:
            self._declare_columns(dk)
        return model

    def _with_nets(
        self, model: QuantModel, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen
    ) -> QuantModel:
        """The model with its window's nets, learned from decisions made by the end of the training span."""
        database, _ = self._open(dk.live)
        earlier = earlier_nets(dk.data_path) if self.continual_learning else None
        now_s = int(close_times(unfiltered_df["date"], self.base_tf_seconds)[-1])
        nets = window_nets(
            database, self._scope(dk.live), pair, self.schema.agents, now_s, self.settings, earlier
        )
        return replace(model, nets=nets)

    def define_data_pipeline(self, threads: int = -1) -> Pipeline:
        """FreqAI's pipeline, with the memory of the training rows in front where `memory.features` is on."""
        return with_memory(super().define_data_pipeline(threads), self.settings)

    def fit(self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any) -> QuantModel:
        """Fit the regressor, and measure it on the newest part of the span, which it has not seen."""
        data = data_dictionary
        regressor = self.make_regressor()
        regressor.fit(
            X=data["train_features"],
            y=data["train_labels"].to_numpy().ravel(),
            sample_weight=data["train_weights"],
        )
        has_test = self.data_split_parameters.get("test_size", 0.1) != 0
        part = "test" if has_test else "train"
        predicted = pd.DataFrame(regressor.predict(data[f"{part}_features"]), columns=dk.label_list)
        predicted, _, _ = dk.label_pipeline.inverse_transform(predicted)
        realised, _, _ = dk.label_pipeline.inverse_transform(data[f"{part}_labels"].copy())
        label = dk.label_list[0] if TARGET not in dk.label_list else TARGET
        scale = 1.0
        if label != TARGET:
            trained, _, _ = dk.label_pipeline.inverse_transform(data["train_labels"].copy())
            scale = float(trained[label].std()) or 1.0
        x, y = predicted[label].to_numpy() / scale, realised[label].to_numpy() / scale
        std, test = fit_quality(x, y)
        voice = skill_voice(x, y, self.settings.decision.horizon_candles) if has_test else 0.0
        return QuantModel(
            regressor,
            dk.feature_pipeline,
            dk.label_pipeline,
            std,
            test,
            label=label,
            scale=scale,
            voice=voice,
        )

    # --- prediction: the committee -------------------------------------------------------------------

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """FreqAI's prediction plus the columns of `pipeline.columns`, one row per input row."""
        model: QuantModel = self.model
        dk.feature_pipeline, dk.label_pipeline = model.feature_pipeline, model.label_pipeline
        predictions, do_predict = super().predict(unfiltered_df, dk, **kwargs)
        expected = predictions[model.label].to_numpy(dtype=float) / model.scale
        depths = model.depth(expected)
        rows = Rows(
            closes_s=close_times(unfiltered_df["date"], self.base_tf_seconds),
            close=unfiltered_df["close"].to_numpy(dtype=float),
            features=self._seen_features(unfiltered_df, dk.pair),
            context=seen_context(unfiltered_df),
            predictions=expected,
            depths=depths * model.voice,
            usable=do_predict == 1,
            test=model.test,
            rules=rule_numbers(unfiltered_df),
        )
        try:
            self._session(dk.pair, dk.live).use(model.nets)
            columns = self._decide(dk.pair, rows, live=dk.live)
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        columns["quant_depth_now"] = np.where(rows.usable, depths, 0.0)
        return pd.concat([predictions.reset_index(drop=True), columns], axis=1), do_predict

    def _seen_features(self, rows: pd.DataFrame, pair: str) -> pd.DataFrame:
        """What agents see of each row; computed here where the strategy does not add our features itself."""
        if has_trained_features(rows):
            return seen_features(rows)
        candles = self.data_provider.get_pair_dataframe(pair, self.config["timeframe"])
        values = market_features(candles).set_axis(pd.DatetimeIndex(candles["date"]), axis=0)
        found = values.reindex(pd.DatetimeIndex(rows["date"])).set_axis(rows.index, axis=0)
        return found.join(seen_features(rows).drop(columns=found.columns, errors="ignore"))

    def _decide(self, pair: str, rows: Rows, live: bool) -> pd.DataFrame:
        session = self._session(pair, live)
        candles = Candles.of(
            self.data_provider.get_pair_dataframe(pair, self.config["timeframe"]), self.base_tf_seconds
        )
        acted_on = rows.last() if live else rows
        first = int(acted_on.closes_s[0])
        if live and not session.started:
            session.resume(datetime.fromtimestamp(first, tz=UTC))
        # A window whose predecessor came from FreqAI's cache has a gap before it; the store fills it.
        elif not live and not session.stands_at(first):
            session.rewind(datetime.fromtimestamp(first, tz=UTC))
        try:
            session.advance(acted_on, candles)
        except StoreFull as error:
            if not live:
                raise
            logger.error("%s: decisions go on and are written when there is room: %s", pair, error)
        return session.columns(rows.closes_s)

    # --- collaborators -------------------------------------------------------------------------------

    def _session(self, pair: str, live: bool) -> PairSession:
        if pair not in self._sessions:
            database, committee = self._open(live)
            seat = self._live_seat(committee) if live else committee
            self._sessions[pair] = PairSession(
                pair,
                self.config["timeframe"],
                self.base_tf_seconds,
                self._scope(live),
                self.settings,
                database,
                seat,
                self.schema,
                self._shelf_holder(),
                can_short=self.config.get("trading_mode") == "futures",
            )
        return self._sessions[pair]

    def _shelf_holder(self) -> ShelfHolder:
        """The strategy's, or this model's own where the strategy has none."""
        if self._books is None:
            self._books = ShelfHolder(self.config)
        return self._books

    def _open(self, live: bool) -> tuple[Database, Committee]:
        """Open the store and seat the committee on first use: hyperopt and list commands need neither.

        Live, the thread that trains may be the first to ask.
        """
        with self._opening:
            return self._opened(live)

    def _opened(self, live: bool) -> tuple[Database, Committee]:
        if self._database is None or self._committee is None:
            user_data = Path(self.config["user_data_dir"])
            self._database = Database(store_url(self.settings.store.url, user_data))
            books = self._shelf_holder()
            books.connect(self._database, self._scope(live))
            glossary = {spec.name: spec.meaning for spec in FEATURES}
            self._committee = open_committee(
                self.settings,
                self._database,
                user_data,
                glossary,
                pairs=self.universe(),
                is_live=live,
                scope=self._scope(live),
                books=books,
                markets=self.markets(),
            )
            write_manifest(self._manifest(live), user_data)
        return self._database, self._committee

    def _live_seat(self, committee: Committee) -> LiveCommittee:
        """A seat that asks beside the candle loop; all pairs share its workers."""
        if self._background is None:
            deadline_s = self.settings.llm.deadline_s
            self._background = BackgroundCommittee(committee, self.settings.live, deadline_s)
        max_age = timedelta(seconds=self.base_tf_seconds * self.settings.decision.max_age_candles)
        return LiveCommittee(committee.roles, self._background, self.settings.live.wait_s, max_age)

    def shutdown(self) -> None:
        """End the workers and write what waits, then let FreqAI end."""
        if self._background is not None:
            self._background.close()
        if self._committee is not None:
            self._committee.close()
        super().shutdown()

    def _scope(self, live: bool) -> str:
        return self.settings.memory.scope or (LIVE_SCOPE if live else self.identifier)

    def _manifest(self, live: bool) -> RunManifest:
        return RunManifest(
            scope=self._scope(live),
            identifier=self.identifier,
            runmode=str(self.config.get("runmode", "")),
            pairs=self.universe(),
            timeframe=self.config["timeframe"],
            timerange=str(self.config.get("timerange") or ""),
            agents=self.schema.agents,
            llm_model=self.settings.llm.model,
            llm_mode=self.settings.llm.mode,
            fee=self.settings.costs.fee,
            slippage=self.settings.costs.slippage,
            horizon_candles=self.settings.decision.horizon_candles,
            store_url=self.settings.store.url,
            version=agent_market.__version__,
        )

    # --- what FreqAI needs to know of the extra columns live ------------------------------------------

    def _declare_columns(self, dk: FreqaiDataKitchen) -> None:
        """Live, every numeric column needs a mean and a std, or FreqAI raises after the first candle."""
        for name in self.schema.names():
            dk.data["labels_mean"][name] = 0.0
            dk.data["labels_std"][name] = 0.0

    def fit_live_predictions(self, dk: FreqaiDataKitchen, pair: str) -> None:
        """FreqAI resets means and stds here; ours are declared again."""
        super().fit_live_predictions(dk, pair)
        self._declare_columns(dk)
