"""The trader's commands in freqtrade's own Telegram, one file a subject: text out, reads and switches."""
