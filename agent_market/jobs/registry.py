"""All jobs, one row each, configured by the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import timedelta

from agent_market.config import AgentMarketSettings, JobSettings
from agent_market.errors import ConfigError
from agent_market.jobs import heavy, light
from agent_market.jobs.job import Found, Job, JobContext, Lane
from agent_market.jobs.when import Calendar, Interval, When, parse_when

REVIEW_TIME = "10 0 * * *"


WORKER_LANES: tuple[Lane, ...] = ("sense", "think", "search")
"""Lanes of `agent-market worker`; lane `light` runs in the bot."""


def job_table(settings: AgentMarketSettings) -> tuple[Job, ...]:
    """Return every enabled job, in the order in which due ones run.

    :raises ConfigError: `jobs.when` names an unknown job or an invalid schedule.
    """
    jobs = settings.jobs
    minutes, hours, days = (timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))
    daily = Calendar(REVIEW_TIME, jobs.timezone)
    rows: tuple[tuple[str, str, Lane, timedelta | Calendar, Callable[[JobContext], Found]], ...] = (
        ("outcomes", "outcomes of decisions", "light", jobs.outcomes_minutes * minutes, light.outcomes),
        ("trades", "missed trades and fills", "light", jobs.trades_minutes * minutes, light.trades),
        ("costs", "today's cost of models", "light", jobs.costs_minutes * minutes, light.costs),
        ("memory", "layers, importance and index files", "search", jobs.memory_hours * hours, heavy.memory),
        ("texts", "vectors of texts", "think", jobs.texts_hours * hours, heavy.texts),
        ("graph", "edges of the knowledge graph", "search", jobs.graph_days * days, heavy.graph),
        ("review", "the review of the day before", "think", daily, heavy.review),
        ("backup", "a copy of the store", "sense", jobs.backup_hours * hours, heavy.backup),
    )
    _refuse_unknown(jobs.when, [name for name, *_ in rows])
    table = [
        Job(name, about, lane, when, run)
        for name, about, lane, usual, run in rows
        if (when := _when(name, usual, jobs)) is not None
    ]
    return tuple(job for job in table if job.name not in _idle(settings))


def jobs_of(settings: AgentMarketSettings, *lanes: Lane) -> tuple[Job, ...]:
    """Return the enabled jobs of some lanes."""
    return tuple(job for job in job_table(settings) if job.lane in lanes)


def _when(name: str, usual: timedelta | Calendar, settings: JobSettings) -> When | None:
    if name in settings.when:
        try:
            return parse_when(settings.when[name], settings.timezone)
        except ConfigError as error:
            raise ConfigError(f"`agent_market.jobs.when.{name}`: {error}") from error
    if isinstance(usual, timedelta):
        return Interval(usual) if usual else None
    return usual


def _refuse_unknown(named: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise ConfigError(
            f"unknown job in `agent_market.jobs.when`: {', '.join(unknown)}; use one of {', '.join(known)}"
        )


def _idle(settings: AgentMarketSettings) -> set[str]:
    """Return jobs without work under these settings; a database server has its own backup tools."""
    idle = set() if settings.memory.text.embedder else {"texts"}
    return idle if settings.store.url.startswith("sqlite") else {*idle, "backup"}
