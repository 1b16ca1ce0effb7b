"""Pure reads of what was decided, refused, spent and remembered: one set for REST, WebSocket and Telegram."""
