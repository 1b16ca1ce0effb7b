"""`--freqaimodel AgentMLPClassifier`; `freqai.model_training_parameters` as in docs/how-to/training.md."""

from agent_market.freqai.adapter_model import AdapterClassifierModel


class AgentMLPClassifier(AdapterClassifierModel):
    """A multilayer perceptron in torch."""

    adapter = "mlp"
