"""Search for factors and keep what was found: the same as `agent-market factors mine --no-publish`."""

from agent_market.commands.factors import expression_agent

if __name__ == "__main__":
    expression_agent()
