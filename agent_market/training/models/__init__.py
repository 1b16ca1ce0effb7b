"""Trainable models behind one interface (`training.models.base`), looked up by name
(`training.models.registry`).
"""
