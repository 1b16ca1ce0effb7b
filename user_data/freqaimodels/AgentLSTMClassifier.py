"""`--freqaimodel AgentLSTMClassifier`; `freqai.model_training_parameters` as in docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterClassifierModel


class AgentLSTMClassifier(AdapterClassifierModel):
    """An LSTM on windows of candles, in torch."""

    adapter = "lstm"
