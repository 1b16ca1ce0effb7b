"""Agent Market: self-evolving LLM trading agents that run inside freqtrade."""

import logging

__version__ = "0.1.0"

# Their INFO lines tell a trader nothing and some alarm him ("Could not load library with AVX2 support").
for _name in ("alembic", "faiss.loader"):
    logging.getLogger(_name).setLevel(logging.WARNING)
