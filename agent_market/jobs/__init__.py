"""Work beside trading: light jobs on a thread of the bot, heavy ones in `agent-market worker`."""
