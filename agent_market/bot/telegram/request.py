"""What an answer has at hand: the words of the question, who asked, the bot, and where its records lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_market.bot.plugin import BotPlugin
from agent_market.errors import ConfigError
from agent_market.queries.risk_log import RiskLog, risk_log_of
from agent_market.queries.run_context import RunContext, open_source


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `by` names who asked as "telegram:42 (anna)"."""

    attachment: BotPlugin
    source: RunContext
    log: RiskLog
    words: tuple[str, ...]
    by: str

    @classmethod
    def of(cls, attachment: BotPlugin, words: Sequence[str], by: str) -> Asked:
        """:raises ConfigError: the section `agent_market` of the config is wrong."""
        source = open_source(attachment.strategy.config)
        return cls(attachment, source, risk_log_of(source.folder), tuple(words), by)

    @property
    def text(self) -> str:
        """All the words after the command."""
        return " ".join(self.words)

    @property
    def first(self) -> str:
        """The first word; empty without one."""
        return self.words[0] if self.words else ""

    def number(self, default: int, least: int, most: int) -> int:
        """The first word as a number.

        :raises ConfigError: it is none, or out of range.
        """
        if not self.words:
            return default
        if not self.first.isdecimal() or not least <= int(self.first) <= most:
            raise ConfigError(f"{self.first!r} is no number from {least} to {most}")
        return int(self.first)
