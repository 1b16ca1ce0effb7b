"""Who is compared with whom: the one place that knows which strategy plays which part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Part = Literal["agents", "equal_weights", "quant_only", "buy_and_hold", "other"]


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part in the comparison: its label, the strategy that plays it, and what to do when it is missing."""

    part: Part
    label: str
    strategy: str | None
    missing: str


AGENTS = PartInfo(
    part="agents",
    label="Agents",
    strategy="AgentMarketStrategy",
    missing="The result holds no strategy that is not a baseline.",
)
EQUAL_WEIGHTS = PartInfo(
    part="equal_weights",
    label="Equal weights",
    strategy="AgentMarketEqualWeights",
    missing="Equal weights were not run; add AgentMarketEqualWeights to --strategy-list.",
)
QUANT_ONLY = PartInfo(
    part="quant_only",
    label="The model alone",
    strategy="AgentMarketQuantOnly",
    missing="The model alone was not run; add AgentMarketQuantOnly to --strategy-list.",
)
BUY_AND_HOLD = PartInfo(
    part="buy_and_hold",
    label="Buy and hold",
    strategy=None,
    missing="Buy and hold could not be computed: candles are missing for at least one pair. Open trades of "
    "such a pair stand at their last fill, so Sharpe and drawdown hide their losses; name the candles with "
    "--datadir.",
)

BASELINES = (EQUAL_WEIGHTS, QUANT_ONLY, BUY_AND_HOLD)
MODELS = {
    "AgentEnsemble": "LightGBM",
    "AgentLightGBM": "LightGBM",
    "LightGBM": "LightGBM",
    "AgentXGBoost": "XGBoost",
    "XGBoost": "XGBoost",
    "Catboost": "CatBoost",
    "AgentMLP": "MLP",
    "AgentLSTM": "LSTM",
    "AgentTransformer": "Transformer",
    "AgentStacking": "Stacking",
    "AgentBlending": "Blending",
    "AgentReinforcementLearner": "Policy",
}
"""FreqAI models by class, without `Regressor` or `Classifier`: the trained model behind a prediction."""

_BY_STRATEGY = {info.strategy: info for info in (AGENTS, EQUAL_WEIGHTS, QUANT_ONLY)}


def model_name(freqai_model: str | None) -> str:
    """The trained model behind a FreqAI class; a class of a user's own is named as it is."""
    if freqai_model is None:
        return "The model"
    return MODELS.get(freqai_model.removesuffix("Regressor").removesuffix("Classifier"), freqai_model)


def parts_of(
    names: tuple[str, ...], freqai_model: str | None = None, weighing: str = ""
) -> dict[str, PartInfo]:
    """Which part each strategy of a result plays, by strategy name.

    :param freqai_model: class of the FreqAI model of the run, which the model alone is labelled by.
    :param weighing: who weighed the agents, for their label; empty = not said.

    Names of the built-in strategies are fixed. Without `AgentMarketStrategy` the first strategy that is not a
    baseline (a user's subclass, say) stands for the agents; any further one is shown under its own name.
    """
    agents = AGENTS.strategy if AGENTS.strategy in names else _first_unknown(names)
    by_strategy = {**_BY_STRATEGY, QUANT_ONLY.strategy: quant_only(freqai_model)}
    parts = {}
    for name in names:
        if name == agents:
            ours = f"{AGENTS.label} ({weighing})" if weighing else AGENTS.label
            label = ours if name == AGENTS.strategy else name
            parts[name] = PartInfo("agents", label, name, AGENTS.missing)
        else:
            parts[name] = by_strategy.get(name) or PartInfo("other", name, name, "")
    return parts


def quant_only(freqai_model: str | None) -> PartInfo:
    """The baseline without agents, labelled by the model that ran."""
    return replace(QUANT_ONLY, label=f"{model_name(freqai_model)} alone")


def _first_unknown(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name not in _BY_STRATEGY), None)
