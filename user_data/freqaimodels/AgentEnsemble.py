"""The committee as a FreqAI model: `--freqaimodel AgentEnsemble`."""

from agent_market.freqai.ensemble import AgentEnsembleModel


class AgentEnsemble(AgentEnsembleModel):
    """LightGBM as the quant, LLM agents beside it, episodic memory, Hedge weights, and risk limits."""
