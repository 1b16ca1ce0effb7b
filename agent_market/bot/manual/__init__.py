"""Orders for a human to place when the exchange takes none."""
