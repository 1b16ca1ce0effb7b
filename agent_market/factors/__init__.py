"""Formulaic factors: the expression language, its engine, and scores without mercy.

text -> parse.parse_factor -> Tree -> engine.Engine(panel).evaluate -> scoring.scorer.Scorer -> FactorScore
"""
