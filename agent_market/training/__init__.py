"""Training as one run: dataset, purged split, tuning, model, freqtrade backtest, metrics, feedback."""
