"""Reinforcement learning as a FreqAI model: `--freqaimodel AgentReinforcementLearner`."""

from agent_market.freqai.reinforcement import AgentReinforcementLearnerModel


class AgentReinforcementLearner(AgentReinforcementLearnerModel):
    """FreqAI's `ReinforcementLearner` on a faster environment whose money is freqtrade's."""
