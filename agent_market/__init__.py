"""Agent Market: self-evolving LLM trading agents that run inside freqtrade."""

__version__ = "0.1.0"
