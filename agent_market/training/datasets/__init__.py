"""Turn candles into training rows: features, labels, and the time at which each label became known."""
