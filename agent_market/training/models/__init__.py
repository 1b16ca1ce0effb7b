"""Models that learn from rows of features, all behind one contract (`training.models.base`), found by name
(`training.models.registry`).
"""
