"""Fit FreqAI's feature pipeline on training rows and apply it to later rows."""

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
    """A pipeline fitted on training rows."""

    pipeline: Pipeline

    def apply(self, dataset: Dataset) -> Dataset:
        """Return the same rows with transformed features.

        :raises DataError: the pipeline removed rows; every later row must get a prediction.
        """
        features, _, _ = self.pipeline.transform(dataset.features.copy(), outlier_check=True)
        if len(features) != len(dataset):
            raise DataError(
                f"the feature pipeline kept {len(features)} of {len(dataset)} rows; turn outlier steps off"
            )
        return replace(dataset, features=pd.DataFrame(features).reset_index(drop=True))


@dataclass(frozen=True, slots=True)
class Scaler:
    """Build feature pipelines from a config's `feature_parameters`."""

    kitchen: FeatureBuilder

    def fitted(self, train: Dataset) -> FittedScaler:
        """Fit a new pipeline on these rows."""
        pipeline = self.kitchen.pipeline()
        weights = np.ones(len(train))
        pipeline.fit_transform(train.features.copy(), train.labels.copy(), weights)
        return FittedScaler(pipeline)
