"""`--freqaimodel AgentStackingClassifier`; `freqai.model_training_parameters` as in
docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterClassifierModel


class AgentStackingClassifier(AdapterClassifierModel):
    """LightGBM, XGBoost and CatBoost, weighed on out-of-fold predictions."""

    adapter = "stacking"
