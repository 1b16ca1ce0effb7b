"""What a trader must hear of, and how it leaves the bot."""
