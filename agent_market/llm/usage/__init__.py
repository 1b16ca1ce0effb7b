"""Prices, caps that hold under parallel calls, and the ledger of what was spent."""
