"""The kill switch and the mode: what a human said, kept in files, so that restarts do not forget it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from agent_market.bot.json_state import read_fact, write_fact
from agent_market.errors import ConfigError, ControlUnreadable

Mode = Literal["auto", "confirm", "manual"]
"""`auto`: agents' entries are placed; `confirm`: each needs a human's yes; `manual`: only forced entries."""


@dataclass(frozen=True, slots=True)
class ControlState:
    """What stands now. `paused_by`, `reason` and `since` are empty while nothing is paused.

    `damaged` says that a file could not be read; then `paused` is True, for nobody knows better.
    """

    paused: bool = False
    mode: Mode = "auto"
    paused_by: str = ""
    reason: str = ""
    since: datetime | None = None
    damaged: str = ""


class Control:
    """The switch of one bot. Every method works from any thread and any process; nothing is cached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pause = folder / "pause.json"
        self._mode = folder / "mode.json"

    def state(self) -> ControlState:
        """What stands now; never raises: a damaged file counts as paused, in mode manual."""
        try:
            pause = read_fact(self._pause) or {}
            mode = (read_fact(self._mode) or {}).get("mode", "auto")
            if mode not in get_args(Mode):
                raise ControlUnreadable(
                    f"{self._mode} says mode {mode!r}; known: {', '.join(get_args(Mode))}"
                )
            return ControlState(
                paused=bool(pause.get("paused", False)),
                mode=mode,
                paused_by=str(pause.get("by", "")) if pause.get("paused") else "",
                reason=str(pause.get("reason", "")) if pause.get("paused") else "",
                since=_moment(pause) if pause.get("paused") else None,
            )
        except (ControlUnreadable, TypeError, ValueError) as error:
            return ControlState(paused=True, mode="manual", reason=str(error), damaged=str(error))

    def pause(self, by: str, reason: str = "", at: datetime | None = None) -> ControlState:
        """No entry of any kind until `resume`; open trades are looked after as before.

        :param by: who said so, e.g. "telegram:42", "rest", "command line".
        :raises ControlUnreadable: it could not be written down.
        """
        write_fact(self._pause, _signed({"paused": True, "reason": reason}, by, at))
        return self.state()

    def resume(self, by: str, at: datetime | None = None) -> ControlState:
        """Entries again. The breaker is another matter: it stays as it is."""
        write_fact(self._pause, _signed({"paused": False}, by, at))
        return self.state()

    def set_mode(self, mode: str, by: str, at: datetime | None = None) -> ControlState:
        """Change the mode.

        :raises ConfigError: there is no such mode.
        """
        if mode not in get_args(Mode):
            raise ConfigError(f"there is no mode {mode!r}; take one of {', '.join(get_args(Mode))}")
        write_fact(self._mode, _signed({"mode": mode}, by, at))
        return self.state()


def _signed(fact: dict[str, Any], by: str, at: datetime | None) -> dict[str, Any]:
    return {**fact, "by": by, "at": (at or datetime.now(UTC)).isoformat()}


def _moment(fact: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(fact["at"]) if "at" in fact else None
