"""`--freqaimodel AgentTransformerClassifier`; `freqai.model_training_parameters` as in
docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterClassifierModel


class AgentTransformerClassifier(AdapterClassifierModel):
    """A Transformer encoder on windows of candles, in torch."""

    adapter = "transformer"
