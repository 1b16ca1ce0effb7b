"""Models that learn from rows of features, all behind one contract (`models.base`), found by name
(`models.registry`).
"""
