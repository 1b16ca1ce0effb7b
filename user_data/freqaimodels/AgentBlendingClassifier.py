"""`--freqaimodel AgentBlendingClassifier`; `freqai.model_training_parameters` as in
docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterClassifierModel


class AgentBlendingClassifier(AdapterClassifierModel):
    """LightGBM, XGBoost and CatBoost, weighed on the newest rows."""

    adapter = "blending"
