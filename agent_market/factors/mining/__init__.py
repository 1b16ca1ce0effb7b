"""Searching for factors: proposers, a bandit over them, a bounded pool, and a promotion test on a later span.

propose (llm, genetic, library) -> read -> screen -> pool -> promotion test -> files for FreqAI
"""
