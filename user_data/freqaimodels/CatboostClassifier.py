"""`--freqaimodel CatboostClassifier`; `freqai.model_training_parameters` as in docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterClassifierModel


class CatboostClassifier(AdapterClassifierModel):
    """CatBoost, which freqtrade no longer brings."""

    adapter = "catboost"
