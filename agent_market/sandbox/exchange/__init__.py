"""A Binance-compatible REST exchange (spot and USDT perpetuals) that serves a sandbox market."""

from agent_market.sandbox.exchange.app import create_exchange_app

__all__ = ["create_exchange_app"]
