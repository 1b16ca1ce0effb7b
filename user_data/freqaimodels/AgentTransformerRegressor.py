"""`--freqaimodel AgentTransformerRegressor`; `freqai.model_training_parameters` as in
docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterRegressorModel


class AgentTransformerRegressor(AdapterRegressorModel):
    """A Transformer encoder on windows of candles, in torch."""

    adapter = "transformer"
