"""Progress of a flow on the console and in the run's log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from rich.text import Text

from agent_market.flow.steps.base import Say
from agent_market.utils.console import Console

LOG = "flow.log"


class Screen:
    """Show one line per step, with a spinner and the newest message while it runs; log everything."""

    def __init__(self, console: Console, folder: Path) -> None:
        self.console = console
        self._file = folder / LOG

    def heading(self, words: str) -> None:
        """Show the start of a round."""
        self._show(words, "bold")

    def note(self, words: str) -> None:
        """Show a note."""
        self._show(words, "")

    def warn(self, words: str) -> None:
        """Show a problem that does not stop the flow."""
        self._show(words, "yellow")

    def log(self, words: str) -> None:
        """Write a line to the log only."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {words}\n")

    @contextmanager
    def step(self, name: str) -> Iterator[Say]:
        """Show a step inside the block; its line ends with the last message."""
        started = monotonic()
        newest = ""
        with self.console.status(Text(name)) as status:

            def say(words: str) -> None:
                nonlocal newest
                newest = words
                line = Text(f"{name}  {words}")
                line.truncate(max(self.console.width - 4, 20), overflow="ellipsis")
                status.update(line)

            yield say
        self._show(f"  {name:<12} {monotonic() - started:6.1f} s  {newest}", "")

    def _show(self, words: str, style: str) -> None:
        self.console.print(Text(words, style=style), soft_wrap=True)
        self.log(words)
