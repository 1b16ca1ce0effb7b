"""Map a depth to buy, sell or hold; the only place that applies the hold threshold."""

from __future__ import annotations

from agent_market.records import Action


def action_of(depth: float, hold_threshold: float) -> Action:
    """Return the action for a depth: "buy" (depth > 0), "sell" (depth < 0) or "hold".

    :param depth: conviction in [-10, 10].
    :param hold_threshold: smallest |depth| that is acted on, in depth units; a depth of 0 is always "hold".
    """
    if depth == 0.0 or abs(depth) < hold_threshold:
        return "hold"
    return "buy" if depth > 0 else "sell"


def action_vec(depth: float, confidence: float, hold_threshold: float) -> tuple[float, float, float, float]:
    """Return [buy, sell, hold, confidence]: the action one-hot, and the confidence in [0, 1]."""
    action = action_of(depth, hold_threshold)
    return (float(action == "buy"), float(action == "sell"), float(action == "hold"), confidence)
