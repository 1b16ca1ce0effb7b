"""Searching for factors: proposers, a bandit over them, a bounded pool, and a gate on a later span.

propose (llm, genetic, library) -> read -> screen -> pool -> gate -> files that the next round and FreqAI read
"""
