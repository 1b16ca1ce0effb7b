"""`--freqaimodel AgentXGBoostRegressor`; `freqai.model_training_parameters` as in docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterRegressorModel


class AgentXGBoostRegressor(AdapterRegressorModel):
    """XGBoost, with typed settings and early stopping."""

    adapter = "xgboost"
