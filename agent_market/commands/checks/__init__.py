"""Checks of `agent-market doctor`: one small function each, returning a `Finding`."""
