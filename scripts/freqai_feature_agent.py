"""Put the factors that were found in force as FreqAI features: the same as `agent-market factors publish`."""

from agent_market.commands.factors import feature_agent

if __name__ == "__main__":
    feature_agent()
