"""`--freqaimodel CatboostRegressor`; `freqai.model_training_parameters` as in docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterRegressorModel


class CatboostRegressor(AdapterRegressorModel):
    """CatBoost, which freqtrade no longer brings."""

    adapter = "catboost"
