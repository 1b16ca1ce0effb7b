"""The knowledge graph: how assets, regimes, agents, events and principles hang together, with evidence."""
