"""How different the agents are, and how stable their answers."""
