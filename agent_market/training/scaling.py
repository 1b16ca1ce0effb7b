"""FreqAI's own feature pipeline around a dataset: fitted on training rows, applied to later ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from datasieve.pipeline import Pipeline

from agent_market.errors import DataError
from agent_market.training.datasets.dataset import Dataset
from agent_market.training.feature_builder import FeatureBuilder


@dataclass(frozen=True, slots=True)
class FittedScaler:
    """A pipeline that has seen training rows."""

    pipeline: Pipeline

    def apply(self, dataset: Dataset) -> Dataset:
        """The same rows with transformed features.

        :raises DataError: the pipeline took rows away, which later rows may not lose.
        """
        features, _, _ = self.pipeline.transform(dataset.features.copy(), outlier_check=True)
        if len(features) != len(dataset):
            raise DataError(
                f"the feature pipeline left {len(features)} of {len(dataset)} rows; turn outlier steps off"
            )
        return replace(dataset, features=pd.DataFrame(features).reset_index(drop=True))


@dataclass(frozen=True, slots=True)
class Scaler:
    """Makes pipelines under a config's `feature_parameters`."""

    kitchen: FeatureBuilder

    def fitted(self, train: Dataset) -> FittedScaler:
        """A pipeline fitted on these rows."""
        pipeline = self.kitchen.pipeline()
        weights = np.ones(len(train))
        pipeline.fit_transform(train.features.copy(), train.labels.copy(), weights)
        return FittedScaler(pipeline)
