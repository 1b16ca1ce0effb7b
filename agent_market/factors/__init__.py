"""Formulaic factors: the expression language, its engine, and its scores.

text -> parse.parse_factor -> Tree -> engine.Engine(panel).evaluate -> scoring.scorer.Scorer -> FactorScore
"""
