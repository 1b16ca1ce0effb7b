"""Jobs as people read them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.table import Table
from rich.text import Text

from agent_market.jobs.job import Job, Lane
from agent_market.jobs.state import End, JobState, is_due, next_start

ENDS: Mapping[End, tuple[str, str]] = {
    "done": ("done", "green"),
    "failed": ("failed", "bold red"),
    "stopped": ("stopped", "yellow"),
    "running": ("killed", "bold red"),
}


def job_table_shown(
    jobs: Sequence[Job],
    states: Mapping[str, JobState],
    now: datetime,
    retry: timedelta,
    at_work: Collection[Lane],
) -> Table:
    """One row a job.

    :param at_work: lanes that a worker is at work on now; elsewhere what counts as running was killed.
    """
    table = Table(
        title=f"Jobs; workers are at work on: {', '.join(sorted(at_work)) or 'no lane'}",
        title_justify="left",
        caption="light: in the bot; other lanes: in `agent-market worker`. Last run and next are in UTC.",
        caption_justify="left",
    )
    for name in ("job", "lane", "when", "last run", "next", "status", "what came of it"):
        table.add_column(name, overflow="fold" if name == "what came of it" else "ellipsis", no_wrap=True)
    table.columns[-1].no_wrap = False
    for job in jobs:
        state = states.get(job.name)
        next_at = None if is_due(job, state, now, retry) else next_start(job, state, retry)
        waits = "now" if next_at is None or next_at <= now else f"in {span(next_at - now)}"
        last = f"{state.at:%Y-%m-%d %H:%M}" if state else "never"
        found = (state.error or found_words(state.found)) if state else job.about
        status = _status(job, state, at_work)
        table.add_row(job.name, job.lane, str(job.when), last, waits, status, found)
    return table


def found_words(found: Mapping[str, Any]) -> str:
    """What a job found, as `episodes 12, moves 3`."""
    words = []
    for name, value in found.items():
        if isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value)) or "none"
        if isinstance(value, bool):
            value = "yes" if value else "no"
        words.append(f"{name} {value}")
    return ", ".join(words)


def span(length: timedelta) -> str:
    """A length of time in its largest unit, as `6 h`."""
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _status(job: Job, state: JobState | None, at_work: Collection[Lane]) -> Text:
    if state is None:
        return Text("-")
    if state.end == "running" and (job.lane in at_work or job.lane == "light"):
        return Text("running", "cyan")
    return Text(*ENDS[state.end])
