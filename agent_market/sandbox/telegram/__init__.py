"""A Telegram Bot API on loopback: what a bot is told and says stays on this machine, and can be looked at."""

from agent_market.sandbox.telegram.app import create_telegram_app
from agent_market.sandbox.telegram.room import ChatState

__all__ = ["ChatState", "create_telegram_app"]
