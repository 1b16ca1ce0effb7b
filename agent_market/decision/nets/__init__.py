"""The two learned nets inside the running loop: trained on the decision log, deciding one moment at a time.

    inputs.py     what is known at a decision, and the arrays that both nets read of it
    dataset.py      stored decisions as a problem to learn from: prior, outcomes, spans
    bundle.py   what a training leaves behind: plain arrays, its verdicts, what is in force (no torch)
    train.py    one training: fit, stop, gate; warm start from an earlier bundle
    inference.py one decision by the nets in force

`train` and `deciding` import torch; nothing else here does.
"""
