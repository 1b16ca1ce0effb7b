"""The two learned nets in a run: train them on the decision log, and decide with them one moment at a time.

    inputs.py     the inputs of one decision, and the arrays that both nets read
    dataset.py    stored decisions as a training set: prior, outcomes
    bundle.py     the result of a training: plain arrays, verdicts, nets in force (no torch)
    train.py      one training: fit, stop early, test for promotion; warm start from an earlier bundle
    inference.py  one decision by the nets in force

Only `train` and `inference` import torch.
"""
