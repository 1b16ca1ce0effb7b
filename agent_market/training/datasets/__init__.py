"""From candles to rows that a model can learn from: features, labels, and the moment each became known."""
