"""`--freqaimodel AgentLightGBMRegressor`; `freqai.model_training_parameters` as in
docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterRegressorModel


class AgentLightGBMRegressor(AdapterRegressorModel):
    """LightGBM, with typed settings and early stopping."""

    adapter = "lightgbm"
