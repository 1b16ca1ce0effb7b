"""Recall by text: words, meaning and named things, as known at a moment."""
