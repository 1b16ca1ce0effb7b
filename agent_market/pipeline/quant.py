"""The quant agent: a FreqAI-trained regressor, and its predictions as depth and confidence.

The target is the return over the horizon in units of its own expected standard deviation,

    y_t = ln(close_{t+h} / close_t) / (sigma_t * sqrt(h)),

so one model scale serves calm and wild markets.  Depth is `10 * tanh(y_hat / (2 s))`, where `s` is the
standard deviation of the model's own predictions on FreqAI's test split (the newest part of the training
span): a prediction of typical size has depth 4.6.  In the committee it speaks with the share of it that its
skill has earned (`skill_voice`): depth 0 without any.  Confidence is the share of that split on which the
sign was right, computed by code, and below one half it is what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from datasieve.pipeline import Pipeline
from pandas.api.types import is_numeric_dtype

from agent_market.agents.debate.evidence import evidence_of
from agent_market.decision.nets.bundle import NetBundle
from agent_market.errors import ConfigError
from agent_market.records import DEPTH_LIMIT, AgentView, Evidence
from agent_market.utils.arrays import Floats

AGENT = "quant"
TARGET = "&-forward_return"


@dataclass(frozen=True, slots=True)
class QuantModel:
    """One trained window: regressor, its own pipelines, what its test split showed, and the learned nets.

    The pipelines travel with the model, for FreqAI keeps the first window's pipelines when later windows
    are loaded from disk.
    """

    regressor: Any
    feature_pipeline: Pipeline
    label_pipeline: Pipeline
    prediction_std: float
    test: Evidence
    nets: NetBundle | None = None
    label: str = TARGET
    """Column that the regressor predicts: `TARGET`, or the one return target of a plain FreqAI strategy."""
    scale: float = 1.0
    """Standard deviation of the label on the training span, for a label that is not in such units itself."""
    voice: float = 1.0

    def predict(self, features: pd.DataFrame) -> Any:
        """Raw predictions in the label pipeline's units, as FreqAI's `predict` expects."""
        return self.regressor.predict(features)

    def depth(self, predictions: Floats) -> Floats:
        """Depth in [-10, 10] of predictions in target units; NaN stays NaN."""
        if self.prediction_std <= 0.0:
            return np.zeros_like(predictions)
        return DEPTH_LIMIT * np.tanh(predictions / (2.0 * self.prediction_std))


def return_label(labels: Sequence[str], candles: pd.DataFrame) -> str:
    """The label that says where the price goes: `TARGET`, or the only label where it is numeric.

    :param labels: the strategy's label columns.
    :param candles: rows with these columns.
    :raises ConfigError: there is none, or it is ambiguous.
    """
    if TARGET in labels:
        return TARGET
    if len(labels) == 1 and is_numeric_dtype(candles[labels[0]]):
        return labels[0]
    raise ConfigError(
        "AgentEnsemble needs one numeric target that is positive where the price rises, such as a return; "
        f"the strategy's set_freqai_targets sets {', '.join(labels) or 'none'}. Leave one such target, or "
        f"name it `{TARGET}`; a strategy that subclasses AgentMarketStrategyBase has it"
    )


def fit_quality(predicted: Floats, realised: Floats) -> tuple[float, Evidence]:
    """Standard deviation of the predictions, and how often, and by how much, their sign was right.

    Without a row on which both have a sign, the evidence is of no case, and its win rate 0.5.
    """
    decided = (predicted != 0.0) & (realised != 0.0)
    gains = (np.sign(predicted[decided]) * realised[decided]).tolist()
    return float(np.std(predicted)), evidence_of(gains) or Evidence(0, 0.5, 0.0, 1.0)


def skill_voice(predicted: Floats, realised: Floats, horizon: int) -> float:
    """Share of its depth, in [0, 1], that a model's measured skill has earned: t / 2, clipped.

    t is that of the correlation of prediction and outcome on rows the model had not seen, each horizon of
    overlapping outcomes counted once; at t = 2 the skill is significant and the voice is whole.  0 with fewer
    than three such outcomes, or where one of both does not vary.

    :param predicted: (n,) in order of time, as `realised`; rows that are not finite are left out.
    :param horizon: rows over which an outcome reaches, at least 1.
    """
    known = np.isfinite(predicted) & np.isfinite(realised)
    x, y = predicted[known], realised[known]
    count = len(x) / max(horizon, 1)
    if count < 3.0 or np.ptp(x) <= 0.0 or np.ptp(y) <= 0.0:
        return 0.0
    rho = float(np.corrcoef(x, y)[0, 1])
    t = rho * np.sqrt((count - 2.0) / max(1.0 - rho * rho, 1e-12))
    return float(np.clip(t / 2.0, 0.0, 1.0))


def quant_view(depth: float, prediction: float, usable: bool, test: Evidence) -> AgentView:
    """The model's opinion on one candle; an abstention where FreqAI says not to trust the row."""
    if not usable or not np.isfinite(depth):
        return AgentView.abstain(AGENT, "the model gave no usable prediction for this candle")
    return AgentView(
        agent=AGENT,
        depth=float(depth),
        confidence=test.win_rate,
        belief=f"The model expects {prediction:+.2f} standard deviations over the horizon.",
        reasons=(f"sign right on {test.win_rate:.0%} of the newest part of the training span",),
        evidence=test,
    )


def target(close: pd.Series, volatility: pd.Series, horizon: int) -> pd.Series:
    """The training target; NaN on the last `horizon` rows and where volatility is 0 or unknown."""
    move = np.log(close.shift(-horizon) / close)
    return move / (volatility.where(volatility > 0.0) * np.sqrt(horizon))
