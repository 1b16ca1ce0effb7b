"""`mine`: one search from candles to file, and the names that other packages need for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

import agent_market
from agent_market.config import AgentMarketSettings
from agent_market.errors import ConfigError
from agent_market.factors.mining.checkpoint import Checkpoint
from agent_market.factors.mining.files import FOLDER, ArmEntry, FactorEntry, FailureEntry, VerdictEntry, write
from agent_market.factors.mining.llm_proposer import ModelProposer
from agent_market.factors.mining.market import halves, panel_of
from agent_market.factors.mining.prior_rounds import Before, before
from agent_market.factors.mining.proposers import FactorProposer, GeneticProposer, LibraryProposer
from agent_market.factors.mining.publishing import Published, publish
from agent_market.factors.mining.record import expressions_of
from agent_market.factors.mining.records import Span
from agent_market.factors.mining.scoring_context import Bench
from agent_market.factors.mining.search import FactorSearch, Found
from agent_market.factors.mining.validation import counted, entry_of, lead_of, proven
from agent_market.factors.panel import CandlePanel
from agent_market.llm.answers.sources import Answers
from agent_market.store.database import Database
from agent_market.store.trials import record_trials, trial_of

__all__ = ["MiningResult", "Published", "Span", "halves", "mine", "panel_of", "publish"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MiningResult:
    """What a search ended with.

    `joint_in` and `joint_out` are the joint IC of the pool on the search span and on the later one, in
    [-1, 1], NaN without a factor.  `tried` counts candidates of this run, `trials` all that the ledger holds
    of the study on overlapping spans, `effective` those by correlation.
    """

    run: str
    span: Span
    promote_span: Span
    known_at: datetime
    pool: tuple[FactorEntry, ...]
    joint_in: float
    joint_out: float
    tried: int
    trials: int
    effective: float
    failures: tuple[FailureEntry, ...]
    arms: tuple[ArmEntry, ...]
    promoted: bool
    verdict: VerdictEntry | None
    warnings: tuple[str, ...]
    file: Path

    @property
    def pool_size(self) -> int:
        return len(self.pool)


def mine(
    settings: AgentMarketSettings,
    panel: CandlePanel,
    span: Span,
    promote_span: Span,
    client: Answers | None,
    database: Database,
    user_data: Path,
    progress: Progress | None = None,
) -> MiningResult:
    """Search for factors on `span`, judge the pool on `promote_span`, and write the record of it.

    Nothing looks at rows after `promote_span`, and nothing but the judgement at rows after `span`.  Equal
    inputs give equal files; killed and called again, it goes on where it was.

    :param client: where the language model is asked; None leaves it out.  The caller closes it.
    :param progress: takes one line a batch.
    :raises ConfigError: the later span begins before the end of the first.
    :raises DataError: too few candles or pairs.
    :raises StoreError: the ledger, checkpoint or file cannot be written.
    :raises ReplayMiss: replay mode, and an answer was never recorded.
    """
    if promote_span.start < span.end:
        raise ConfigError(
            f"the span to prove it on begins at {promote_span.start:%Y-%m-%d %H:%M}, before the span to "
            f"search ends at {span.end:%Y-%m-%d %H:%M}; give a later one"
        )
    say = progress or (lambda line: None)
    mining = settings.mining
    (user_data / FOLDER).mkdir(parents=True, exist_ok=True)
    past = before(user_data, settings, promote_span)
    for warning in past.warnings:
        say(warning)
    search_bench = Bench(panel, span, settings)
    later_bench = Bench(panel, promote_span, settings)
    proposers = _proposers(settings, client)
    run = _run_id(settings, search_bench, later_bench, proposers, past)
    study = f"factors/{panel.minutes}m/h{mining.horizon}"
    checkpoint = Checkpoint(user_data, run)
    if len(checkpoint):
        say(f"going on with the search {run}: {len(checkpoint)} batches were proposed before")
    found = FactorSearch(
        search_bench,
        mining,
        proposers,
        database,
        study,
        checkpoint,
        past.earlier,
        past.lessons,
        past.failures,
    ).run(say)
    verdict, trials, effective = _judged(found, past, search_bench, later_bench, settings, database, study)
    record = expressions_of(
        found, run, study, panel, search_bench, later_bench, settings, _model(proposers), verdict, trials,
        effective,
    )  # fmt: skip
    file = write(record, user_data)
    checkpoint.finished()
    return MiningResult(
        run=run,
        span=span,
        promote_span=promote_span,
        known_at=record.known_at,
        pool=record.factors,
        joint_in=_number(record.joint_ic),
        joint_out=_number(record.joint_ic_later),
        tried=record.tried,
        trials=trials,
        effective=effective,
        failures=record.failures,
        arms=record.proposers,
        promoted=record.promoted,
        verdict=verdict,
        warnings=past.warnings,
        file=file,
    )


def _judged(
    found: Found,
    past: Before,
    search: Bench,
    later: Bench,
    settings: AgentMarketSettings,
    database: Database,
    study: str,
) -> tuple[VerdictEntry | None, int, float]:
    """The verdict on the pool (None without one), the trials counted, and their effective number."""
    members = found.pool.members
    if not members:
        return (None, *counted(database, study, search, later))
    trees = [member.scored.tree for member in members]
    weights = found.pool.aligned(trees)
    lead = lead_of(later, trees, weights, past.held, past.held_weights)
    occasions, times = later.judged_occasions, later.judged_times
    name = hashlib.sha256(
        orjson.dumps([[t.digest, f"{w:.6f}"] for t, w in zip(trees, weights, strict=True)])
    ).hexdigest()
    record_trials(database, [trial_of(study, f"pool-{name[:32]}", occasions, times[0], times[-1], lead)])
    trials, effective = counted(database, study, search, later)
    verdict = proven(lead, effective, settings.mining.level, settings.mining.seed)
    return entry_of(verdict), trials, effective


def _proposers(settings: AgentMarketSettings, client: Answers | None) -> tuple[FactorProposer, ...]:
    mining = settings.mining
    made: list[FactorProposer] = []
    for name in dict.fromkeys(mining.proposers):
        if name == "library":
            made.append(LibraryProposer(mining.seed))
        elif name == "genetic":
            made.append(GeneticProposer(mining))
        elif client is not None:
            made.append(ModelProposer(client, mining))
    if not made:
        raise ConfigError(
            "`agent_market.mining.proposers` names only `llm`, and no model is asked; add `library` or "
            "`genetic`"
        )
    return tuple(made)


def _model(proposers: Sequence[FactorProposer]) -> str | None:
    return next((p.model for p in proposers if isinstance(p, ModelProposer)), None)


def _run_id(
    settings: AgentMarketSettings,
    search: Bench,
    later: Bench,
    proposers: Sequence[FactorProposer],
    past: Before,
) -> str:
    """Content address of everything that a search depends on but the answers of a model."""
    digest = hashlib.sha256()
    llm = settings.llm
    parts = {
        "version": agent_market.__version__,
        "mining": settings.mining.model_dump(mode="json"),
        "costs": settings.costs.model_dump(mode="json"),
        "llm": [_model(proposers), llm.temperature, llm.seed],
        "proposers": [p.name for p in proposers],
        "spans": [str(search.span), str(later.span)],
        "pairs": later.panel.pairs,
        "minutes": later.panel.minutes,
        "past": [repr(past.earlier), past.lessons, repr(past.failures), [t.digest for t in past.held]],
        "held": [] if past.held_weights is None else past.held_weights.tolist(),
    }
    digest.update(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))
    for panel in (search.panel, later.panel):
        for name in sorted(panel.columns):
            digest.update(panel.columns[name].tobytes())
    return digest.hexdigest()[:16]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
