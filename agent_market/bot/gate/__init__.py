"""What every entry passes, live and in backtests."""
