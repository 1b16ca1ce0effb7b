"""/pause_ai, /resume_ai and /mode: the kill switch. In force before the answer is sent."""

from __future__ import annotations

from agent_market.bot.telegram.request import Asked
from agent_market.bot.telegram.risk import breaker_text, switch_text
from agent_market.errors import ConfigError


def pause_ai(asked: Asked) -> str:
    """No entry of any kind until /resume_ai, over restarts too; the words are kept as the reason.

    :raises ControlUnreadable: it could not be written down.
    """
    bot = asked.attachment
    state = bot.control.pause(asked.by, asked.text)
    bot.bus.publish("info", "control", f"paused by {asked.by}", by=asked.by, reason=asked.text)
    return f"Paused\n{switch_text(state)}\nOpen trades are looked after as before. /resume_ai goes on."


def resume_ai(asked: Asked) -> str:
    """Entries again; the breaker stays as it is."""
    bot = asked.attachment
    state = bot.control.resume(asked.by)
    bot.bus.publish("info", "control", f"resumed by {asked.by}", by=asked.by)
    return f"Resumed\n{switch_text(state)}\n{breaker_text(bot.breaker.state)}"


def mode(asked: Asked) -> str:
    """Set the mode, or say which one stands.

    :raises ConfigError: there is no such mode.
    """
    bot = asked.attachment
    if len(asked.words) > 1:
        raise ConfigError("one word is enough: /mode auto, /mode confirm or /mode manual")
    if not asked.words:
        return f"Mode\n{switch_text(bot.control.state())}\n/mode auto, /mode confirm or /mode manual sets it."
    state = bot.control.set_mode(asked.first.lower(), asked.by)
    bot.bus.publish("info", "control", f"mode {state.mode} by {asked.by}", by=asked.by)
    means = {
        "auto": "The agents' entries are placed.",
        "confirm": "Each entry waits for your yes; silence is a no.",
        "manual": "The agents advise; only entries that you force are placed.",
    }
    return f"Mode {state.mode}\n{means[state.mode]}\n{switch_text(state)}"
