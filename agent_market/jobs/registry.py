"""The jobs there are, by the settings: one row each."""

from __future__ import annotations

from datetime import timedelta

from agent_market.config import AgentMarketSettings
from agent_market.jobs import heavy, light
from agent_market.jobs.job import Job, Weight


def job_table(settings: AgentMarketSettings) -> tuple[Job, ...]:
    """Every job that is switched on, in the order in which those that are due run."""
    jobs = settings.jobs
    minutes, hours, days = (timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))
    table = (
        Job("outcomes", "what became of decisions", "light", jobs.outcomes_minutes * minutes, light.outcomes),
        Job("costs", "what models cost today", "light", jobs.costs_minutes * minutes, light.costs),
        Job("memory", "layers, importance and index files", "heavy", jobs.memory_hours * hours, heavy.memory),
        Job("texts", "vectors of texts", "heavy", jobs.texts_hours * hours, heavy.texts),
        Job("graph", "edges of the knowledge graph", "heavy", jobs.graph_days * days, heavy.graph),
        Job("review", "the review of the day before", "heavy", jobs.review_hours * hours, heavy.review),
        Job("backup", "a copy of the store", "heavy", jobs.backup_hours * hours, heavy.backup),
    )
    return tuple(job for job in table if job.every and job.name not in _idle(settings))


def _idle(settings: AgentMarketSettings) -> set[str]:
    """Jobs that these settings leave nothing to do: a server's store is backed up with the server's tools."""
    idle = set() if settings.memory.text.embedder else {"texts"}
    return idle if settings.store.url.startswith("sqlite") else {*idle, "backup"}


def jobs_of(settings: AgentMarketSettings, weight: Weight) -> tuple[Job, ...]:
    """Those of one weight."""
    return tuple(job for job in job_table(settings) if job.weight == weight)
