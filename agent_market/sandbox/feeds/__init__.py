"""News, series and calendars over HTTP: RSS, JSON and ICS, with faults of their own (`faults.FeedFault`)."""

from agent_market.sandbox.feeds.app import create_feed_app
from agent_market.sandbox.feeds.items import Feed, FeedItem

__all__ = ["Feed", "FeedItem", "create_feed_app"]
