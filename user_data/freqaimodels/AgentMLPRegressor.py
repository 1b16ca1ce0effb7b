"""`--freqaimodel AgentMLPRegressor`; `freqai.model_training_parameters` as in docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterRegressorModel


class AgentMLPRegressor(AdapterRegressorModel):
    """A multilayer perceptron in torch."""

    adapter = "mlp"
