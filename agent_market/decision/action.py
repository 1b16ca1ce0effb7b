"""From a depth to an action: the one place that knows the hold threshold's meaning."""

from __future__ import annotations

from agent_market.records import Action


def action_of(depth: float, hold_threshold: float) -> Action:
    """ "hold" where |depth| < hold_threshold or depth is 0, else "buy" or "sell" by its sign."""
    if depth == 0.0 or abs(depth) < hold_threshold:
        return "hold"
    return "buy" if depth > 0 else "sell"


def action_vec(depth: float, confidence: float, hold_threshold: float) -> tuple[float, float, float, float]:
    """[buy, sell, hold, confidence]: the action one-hot, and the confidence in [0, 1]."""
    action = action_of(depth, hold_threshold)
    return (float(action == "buy"), float(action == "sell"), float(action == "hold"), confidence)
