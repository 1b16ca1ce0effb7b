"""The commands as one table: a row each, from which handlers, help and menu are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent_market.bot.telegram.agents import agents
from agent_market.bot.telegram.alerts import alerts
from agent_market.bot.telegram.control import mode, pause_ai, resume_ai
from agent_market.bot.telegram.cost import cost
from agent_market.bot.telegram.memory import memory, teach
from agent_market.bot.telegram.request import Asked
from agent_market.bot.telegram.review import review
from agent_market.bot.telegram.risk import plan, risk
from agent_market.bot.telegram.why import debate, why


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `urgent` ones have a thread of their own, so that no slow question holds them up."""

    name: str
    usage: str
    tells: str
    answer: Callable[[Asked], str]
    urgent: bool = False


COMMANDS = (
    Command("agents", "", "Who is trusted now, and why", agents),
    Command("why", "[trade]", "The chain of decisions behind a trade, pair or decision", why),
    Command("debate", "[id]", "What the agents said to each other", debate),
    Command("memory", "text", "What is recalled on these words", memory),
    Command("risk", "", "Switch, breaker, book and newest clamps", risk),
    Command("alerts", "[all|done id]", "Open warnings, over restarts too; done resolves one", alerts),
    Command("plan", "", "The newest decision on each pair, and what waits", plan),
    Command("cost", "", "What asking models has cost", cost),
    Command("pause_ai", "[reason]", "No entry of any kind, over restarts too", pause_ai, urgent=True),
    Command("resume_ai", "", "Entries again", resume_ai, urgent=True),
    Command("mode", "auto|confirm|manual", "How the agents' entries are placed", mode, urgent=True),
    Command("teach", "[pair] text", "Teach the agents something, under your name", teach),
    Command("review", "[days]", "How the last decisions and trades turned out", review),
)


def help_text() -> str:
    """What /help shows after freqtrade's own."""
    lines = [f"/{c.name} {c.usage}".rstrip() + f": {c.tells}" for c in COMMANDS]
    return "\n".join(["Agent Market", *lines])
