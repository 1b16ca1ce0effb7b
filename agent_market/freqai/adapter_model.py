"""Any adapter of `training.models.registry` as a FreqAI model: a regressor and a classifier to subclass in
two lines.

`freqai.model_training_parameters` goes to the adapter's typed settings; an unknown key stops freqtrade at
the start. What is trained is one bundle with its own pipelines, for FreqAI keeps the first window's when
later ones come from disk.  Beside FreqAI's columns each prediction has `quant_depth_now`, which
`AgentMarketQuantOnly` trades on.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.pipeline import Pipeline
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.base_models.BaseClassifierModel import BaseClassifierModel
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from agent_market.errors import AgentMarketError, DataError
from agent_market.freqai.base_model import BaseAgentModel
from agent_market.pipeline.quant import fit_quality
from agent_market.records import DEPTH_LIMIT
from agent_market.training.models.base import BaseModelAdapter, Task
from agent_market.training.models.registry import make_model
from agent_market.training.models.samples import Samples
from agent_market.utils.arrays import Floats

DEPTH = "quant_depth_now"
"""Column: depth in [-10, 10] of the prediction on this candle; 0 where FreqAI says not to trust the row."""
UP, DOWN = "up", "down"
"""The classes that a classifier turns into a depth: 10 x (P(up) - P(down))."""


@dataclass(frozen=True, slots=True)
class TrainedAdapters:
    """One trained window: a model for each label, its pipelines, and what turns a prediction into a depth.

    `classes` are the names of a classifier's classes, in the order of its probabilities.
    """

    models: tuple[BaseModelAdapter[Any], ...]
    feature_pipeline: Pipeline
    label_pipeline: Pipeline | None
    prediction_std: float
    classes: tuple[Any, ...] = ()

    @property
    def classes_(self) -> tuple[Any, ...]:
        """As scikit-learn calls them, and FreqAI reads them."""
        return self.classes

    def predict(self, features: pd.DataFrame) -> npt.NDArray[Any]:
        """(M, labels) values, or (M, 1) names of classes."""
        table = np.column_stack([model.predict(features.to_numpy()) for model in self.models])
        if not self.classes:
            return table
        return np.array(self.classes, dtype=object)[table.astype(int)]

    def predict_proba(self, features: pd.DataFrame) -> Floats:
        """(M, K)."""
        return self.models[0].predict_proba(features.to_numpy())


class _AdapterModel(BaseAgentModel):
    """What regressor and classifier share; put before FreqAI's own base."""

    adapter: ClassVar[str]
    """Name of the model in `training.models.registry`."""
    task: ClassVar[Task]

    def __init__(self, config: dict[str, Any]) -> None:
        parameters = config["freqai"].get("model_training_parameters", {})
        try:
            probe = make_model(self.adapter, parameters, self.task)
        except AgentMarketError as error:
            raise OperationalException(f"freqai.model_training_parameters: {error}") from error
        if config["freqai"]["feature_parameters"].get("shuffle_after_split", False):
            raise OperationalException(
                "freqai.feature_parameters.shuffle_after_split = true; time must stay in order"
            )
        super().__init__(config)
        # Live, FreqAI hands a model no more than this many candles.
        self.CONV_WIDTH = max(int(getattr(self, "CONV_WIDTH", 1)), probe.window)

    def new_model(self) -> BaseModelAdapter[Any]:
        """An unfitted model under the config's parameters."""
        return make_model(self.adapter, self.model_training_parameters, self.task)

    def _earlier(self, pair: str, labels: int) -> Sequence[BaseModelAdapter[Any]] | None:
        """Models to continue from, with `freqai.continual_learning` and where the library can."""
        held = self.dd.model_dictionary.get(pair) if self.continual_learning else None
        if not isinstance(held, TrainedAdapters) or len(held.models) != labels:
            return None
        return held.models if held.models[0].incremental else None

    def _fitted(
        self, data: dict[str, Any], labels: Sequence[Floats], later: Sequence[Floats] | None, pair: str
    ) -> tuple[BaseModelAdapter[Any], ...]:
        earlier = self._earlier(pair, len(labels))
        width = data["train_features"].shape[1]
        models = []
        for n, column in enumerate(labels):
            train = Samples(
                data["train_features"].to_numpy(), column, np.asarray(data["train_weights"], dtype=float)
            )
            known = None if later is None else np.isfinite(later[n])
            validation = None
            if later is not None and known is not None and known.sum() >= 2:
                validation = Samples(data["test_features"].to_numpy()[known], later[n][known])
            warm = earlier is not None and earlier[n].width == width
            # A copy: live, the one at hand goes on predicting meanwhile.
            model = copy.copy(earlier[n]) if earlier is not None and warm else self.new_model()
            models.append(model.fit(train, validation, warm=warm))
        return tuple(models)

    def _has_test(self) -> bool:
        return bool(self.data_split_parameters.get("test_size", 0.1) != 0)

    def _declare_depth(self, dk: FreqaiDataKitchen) -> None:
        """Live, every numeric column needs a mean and a std, or FreqAI raises after the first candle."""
        dk.data["labels_mean"][DEPTH] = 0.0
        dk.data["labels_std"][DEPTH] = 0.0


class AdapterRegressorModel(_AdapterModel, BaseRegressionModel):
    """Base of the regressors in `user_data/freqaimodels`: one model for each label of the strategy."""

    task: ClassVar[Task] = "regression"

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedAdapters:
        """Train on one window; see `BaseRegressionModel.train`."""
        with self.training(pair):
            model: TrainedAdapters = super().train(unfiltered_df, pair, dk, **kwargs)
        if dk.live:
            self._declare_depth(dk)
        return model

    def fit(self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any) -> TrainedAdapters:
        """Fit one model for each label; FreqAI's test split, which is later, stops training early."""
        data, tested = data_dictionary, self._has_test()
        labels = [data["train_labels"][name].to_numpy(dtype=float) for name in dk.label_list]
        later = (
            [data["test_labels"][name].to_numpy(dtype=float) for name in dk.label_list] if tested else None
        )
        models = self._fitted(data, labels, later, dk.pair)
        part = "test" if tested else "train"
        features = data[f"{part}_features"].to_numpy()
        told = np.column_stack([model.predict(features) for model in models])
        predicted, _, _ = dk.label_pipeline.inverse_transform(pd.DataFrame(told, columns=dk.label_list))
        first = predicted[dk.label_list[0]].to_numpy()
        std, _ = fit_quality(first, first)
        return TrainedAdapters(models, dk.feature_pipeline, dk.label_pipeline, std)

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """FreqAI's prediction and the depth of the first label, one row per input row."""
        model: TrainedAdapters = self.model
        dk.feature_pipeline, dk.label_pipeline = model.feature_pipeline, model.label_pipeline
        predictions, usable = super().predict(unfiltered_df, dk, **kwargs)
        expected = predictions[dk.label_list[0]].to_numpy(dtype=float)
        scale = 2.0 * model.prediction_std
        depth = DEPTH_LIMIT * np.tanh(expected / scale) if scale > 0.0 else np.zeros(len(expected))
        return predictions.assign(**{DEPTH: np.where(usable == 1, depth, 0.0)}), usable

    def fit_live_predictions(self, dk: FreqaiDataKitchen, pair: str) -> None:
        """FreqAI resets means and stds here; ours is declared again."""
        super().fit_live_predictions(dk, pair)
        self._declare_depth(dk)


class AdapterClassifierModel(_AdapterModel, BaseClassifierModel):
    """Base of the classifiers in `user_data/freqaimodels`: one label, of text or whole numbers.

    With the classes `up` and `down` the depth is 10 x (P(up) - P(down)); with others it is 0.
    """

    task: ClassVar[Task] = "classification"

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedAdapters:
        """Train on one window; see `BaseClassifierModel.train`."""
        # FreqAI adds the classes of every window to those before it.
        dk.unique_class_list = list(dict.fromkeys(dk.unique_class_list))
        with self.training(pair):
            model: TrainedAdapters = super().train(unfiltered_df, pair, dk, **kwargs)
        if dk.live:
            self._declare_depth(dk)
        return model

    def fit(self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any) -> TrainedAdapters:
        """Fit a classifier; rows of a class that the training rows lack are left out of the test split."""
        if len(dk.label_list) != 1:
            raise DataError(f"a classifier has one label, the strategy sets {dk.label_list}; leave one")
        data, name = data_dictionary, dk.label_list[0]
        kinds, codes = np.unique(data["train_labels"][name].to_numpy(), return_inverse=True)
        later = [_codes(data["test_labels"][name].to_numpy(), kinds)] if self._has_test() else None
        models = self._fitted(data, [codes.astype(float)], later, dk.pair)
        return TrainedAdapters(models, dk.feature_pipeline, None, 0.0, tuple(kinds.tolist()))

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """Class, a probability for each class of the strategy, and the depth, one row per input row."""
        model: TrainedAdapters = self.model
        dk.feature_pipeline = model.feature_pipeline
        predictions, usable = super().predict(unfiltered_df, dk, **kwargs)
        # A class that this window never saw has no chance, and still its column.
        for missing in [kind for kind in dk.unique_class_list if kind not in predictions]:
            predictions[missing] = 0.0
        zero = pd.Series(0.0, index=predictions.index)
        lead = (predictions.get(UP, zero) - predictions.get(DOWN, zero)).to_numpy(dtype=float)
        return predictions.assign(**{DEPTH: np.where(usable == 1, DEPTH_LIMIT * lead, 0.0)}), usable

    def fit_live_predictions(self, dk: FreqaiDataKitchen, pair: str) -> None:
        """FreqAI resets means and stds here; ours is declared again."""
        super().fit_live_predictions(dk, pair)
        self._declare_depth(dk)


def _codes(labels: npt.NDArray[Any], kinds: npt.NDArray[Any]) -> Floats:
    """Places of labels in `kinds`; NaN for one that is not there."""
    known = np.isin(labels, kinds)
    codes = np.full(len(labels), np.nan)
    codes[known] = np.searchsorted(kinds, labels[known])
    return codes
