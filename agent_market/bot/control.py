"""The kill switch and the mode: what a human said, kept in files, so that restarts do not forget it.

A bot's own switch is latched: what it has once seen paused stays so, whatever becomes of disk and files,
until a human resumes. Command lines and other processes write the files, and the bot reads them at each
question.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args

from agent_market.bot.json_state import copy_of, read_fact, read_kept, spoil, write_kept
from agent_market.errors import ConfigError, ControlUnreadable
from agent_market.utils.plain_text import one_line

LONGEST = 500
"""Characters of a reason that are kept."""

Mode = Literal["auto", "confirm", "manual"]
"""`auto`: agents' entries are placed; `confirm`: each needs a human's yes; `manual`: only forced entries."""


@dataclass(frozen=True, slots=True)
class ControlState:
    """What stands now. `paused_by`, `reason` and `since` are empty while nothing is paused.

    `damaged` says that a file could not be read; then `paused` is True, for nobody knows better. `unsaved`
    says that this process alone holds what stands, and what to do so that it outlives it.
    """

    paused: bool = False
    mode: Mode = "auto"
    paused_by: str = ""
    reason: str = ""
    since: datetime | None = None
    damaged: str = ""
    unsaved: str = ""


Fact = dict[str, Any] | None


@dataclass
class _Latch:
    """What a bot's process holds of its switch, whatever the files say.

    `overruled` are facts of before a pause: to find one on disk again is no resume. `last` is the newest
    valid one.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    held: ControlState | None = None
    overruled: list[Fact] = field(default_factory=list)
    last: Fact = None
    mode: Mode | None = None
    mode_overruled: Fact = None
    mode_unsaved: str = ""


_latches: dict[str, _Latch] = {}


class Control:
    """The switch of one bot. Every method works from any thread and any process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pause = folder / "pause.json"
        self._mode = folder / "mode.json"
        self._key = os.path.realpath(folder)

    def latch(self) -> None:
        """This process runs the bot: from now on, over reloads too, its switch is latched."""
        _latches.setdefault(self._key, _Latch())

    def state(self) -> ControlState:
        """What stands now; never raises: a damaged file counts as paused, in mode manual."""
        latch = _latches.get(self._key)
        if latch is None:
            return self._on_disk()[0]
        with latch.lock:
            return self._latched(latch)

    def pause(self, by: str, reason: str = "", at: datetime | None = None) -> ControlState:
        """No entry of any kind until `resume`; open trades are looked after as before.

        In the bot's own process it holds at once, whether or not it can be written down (`unsaved` says so).

        :param by: who said so, e.g. "telegram:42", "rest", "command line".
        :raises ControlUnreadable: it could not be written down, and this process runs no bot to hold it.
        """
        fact = _signed({"paused": True, "reason": reason}, by, at)
        latch = _latches.get(self._key)
        if latch is None:
            self._write_pause(fact)
            return self.state()
        with latch.lock:
            latch.held = _paused_by(fact)
            latch.overruled = [latch.last, *self._pause_facts()]
            try:
                self._write_pause(fact)
            except ControlUnreadable as error:
                latch.held = replace(latch.held, unsaved=f"held by the bot, and lost when it ends: {error}")
            return self._latched(latch)

    def resume(self, by: str, at: datetime | None = None) -> ControlState:
        """Entries again. The breaker is another matter: it stays as it is.

        :raises ControlUnreadable: it could not be written down, and a file says paused: that stands.
        """
        fact = _signed({"paused": False}, by, at)
        latch = _latches.get(self._key)
        if latch is None:
            write_kept(self._pause, fact)
            return self.state()
        with latch.lock:
            try:
                write_kept(self._pause, fact)
            except ControlUnreadable:
                if self._on_disk()[0].paused:
                    raise
            latch.held = None
            return self._latched(latch)

    def set_mode(self, mode: str, by: str, at: datetime | None = None) -> ControlState:
        """Change the mode. In the bot's own process a stricter one holds at once, as a pause does.

        :raises ConfigError: there is no such mode.
        :raises ControlUnreadable: it could not be written down, and is not held.
        """
        if mode not in _STRICTNESS:
            raise ConfigError(f"there is no mode {mode!r}; take one of {', '.join(get_args(Mode))}")
        fact = _signed({"mode": mode}, by, at)
        latch = _latches.get(self._key)
        if latch is None:
            write_kept(self._mode, fact)
            return self.state()
        with latch.lock:
            before, overruled = self._latched(latch).mode, self._fact(self._mode)
            unsaved = ""
            try:
                write_kept(self._mode, fact)
            except ControlUnreadable as error:
                if _STRICTNESS[mode] < _STRICTNESS[before]:
                    raise
                unsaved = f"mode {mode} is held by the bot, and lost when it ends: {error}"
            latch.mode, latch.mode_overruled, latch.mode_unsaved = cast("Mode", mode), overruled, unsaved
            return self._latched(latch)

    def _latched(self, latch: _Latch) -> ControlState:
        """What the files say, and what they may not undo."""
        known, pause, mode = self._on_disk()
        if mode is not None and mode != latch.mode_overruled:
            latch.mode, latch.mode_overruled, latch.mode_unsaved = known.mode, None, ""
        if known.damaged:
            if latch.held is None:
                latch.held = ControlState(paused=True, paused_by="a damaged file", reason=known.damaged)
                latch.overruled = [latch.last]
            return replace(latch.held, mode="manual", damaged=known.damaged)
        if pause is not None and pause not in latch.overruled:  # a human has said something since
            latch.held = _paused_by(pause) if pause["paused"] else None
            latch.overruled = [latch.last] if pause["paused"] and latch.last != pause else latch.overruled
        if pause is not None:
            latch.last = pause
        stands = latch.held or ControlState()
        unsaved = "; ".join(text for text in (stands.unsaved, latch.mode_unsaved) if text)
        return replace(stands, mode=latch.mode or known.mode, unsaved=unsaved)

    def _on_disk(self) -> tuple[ControlState, Fact, Fact]:
        """What the files say, and their facts (None = missing or damaged)."""
        pause: Fact = None
        mode: Fact = None
        try:
            pause, mode = _checked(read_kept(self._pause), self._pause), read_kept(self._mode)
            named = "auto" if mode is None else mode.get("mode")
            if named not in get_args(Mode):
                raise ControlUnreadable(
                    f"{self._mode} says mode {named!r}; known: {', '.join(get_args(Mode))}"
                )
            stands = _paused_by(pause) if pause is not None and pause["paused"] else ControlState()
            return replace(stands, mode=cast("Mode", named)), pause, mode
        except (ControlUnreadable, TypeError, ValueError) as error:
            return ControlState(paused=True, mode="manual", reason=str(error), damaged=str(error)), None, None

    def _write_pause(self, fact: dict[str, Any]) -> None:
        """On a full disk at least an empty file: it is damaged, and that counts as paused.

        :raises ControlUnreadable: not even that.
        """
        try:
            write_kept(self._pause, fact)
        except ControlUnreadable:
            if not spoil(self._pause):
                raise

    def _fact(self, path: Path) -> Fact:
        try:
            return read_fact(path)
        except ControlUnreadable:
            return None

    def _pause_facts(self) -> list[Fact]:
        return [self._fact(path) for path in (self._pause, copy_of(self._pause))]


_STRICTNESS: dict[str, int] = {mode: n for n, mode in enumerate(get_args(Mode))}


def _paused_by(fact: dict[str, Any]) -> ControlState:
    """:raises ValueError: its time is none."""
    return ControlState(
        paused=True,
        paused_by=one_line(str(fact.get("by", "")))[:LONGEST],
        reason=one_line(str(fact.get("reason", "")))[:LONGEST],
        since=_moment(fact),
    )


def _checked(fact: Fact, path: Path) -> Fact:
    """:raises ControlUnreadable: it does not say whether entries are paused."""
    if fact is not None and not isinstance(fact.get("paused"), bool):
        raise ControlUnreadable(
            f"{path} does not say `paused` true or false; resume (or pause) to write it anew"
        )
    return fact


def _signed(fact: dict[str, Any], by: str, at: datetime | None) -> dict[str, Any]:
    return {**fact, "by": by, "at": (at or datetime.now(UTC)).isoformat()}


def _moment(fact: dict[str, Any]) -> datetime | None:
    if "at" not in fact:
        return None
    at = datetime.fromisoformat(fact["at"])
    return at if at.tzinfo else at.replace(tzinfo=UTC)
