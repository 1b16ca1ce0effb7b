"""One campaign for one role: search on the training span, prove on the later one, count everything.

    split by time -> refuse what noise would decide -> gepa on training -> the best of it, once, on validation
    -> paired block bootstrap, deflated by all trials -> promoted from the moment its proof was known, or not

The validation span is looked at for one candidate only, the best of the training span.  The deflation counts
all that were ever tried on overlapping spans all the same: the next campaign may use this one's validation.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import gepa
import numpy as np
import numpy.typing as npt

from agent_market.agents.tuning.adapter import CommitteeAdapter, PromptProposal
from agent_market.agents.tuning.cases import (
    Split,
    TuningCase,
    moments,
    overlapping_moments,
    split_by_time,
    tuning_cases,
)
from agent_market.agents.tuning.panel import PromptPanel
from agent_market.agents.tuning.reflection import Reflector
from agent_market.agents.tuning.versions import PARTS, prompt_version, texts_of
from agent_market.config import DecisionSettings, TuningSettings
from agent_market.errors import DataError, ModelUnavailable
from agent_market.records import AgentView, Episode
from agent_market.stats.deflation import counted_trials
from agent_market.stats.power import effect_of_ic, power
from agent_market.stats.promotion import Verdict, judge
from agent_market.store.database import Database
from agent_market.store.prompts import StoredPrompt, promote, promotions, save_prompt
from agent_market.store.trials import Trial, record_trials, sample_of, trial_of, trials_of
from agent_market.store.variants import EVERY_SCOPE

logger = logging.getLogger(__name__)

TYPICAL_IC = 0.05

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate: where it came from, and its mean reward on training (None: dropped on a minibatch)."""

    version: str
    texts: Mapping[str, str]
    parent: str | None
    training: float | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a campaign found. `verdict` is None where no candidate was better on training even."""

    role: str
    model: str
    training: int
    validation: int
    boundary: datetime
    known_at: datetime
    incumbent: Tried
    tried: tuple[Tried, ...]
    trials: int
    effective: float
    power: float
    chosen: Tried | None = None
    verdict: Verdict | None = None
    promoted: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)


def study_of(role: str) -> str:
    """The name under which the trial ledger counts what was tried for a role's prompt."""
    return f"prompts/{role}"


def run_campaign(
    panel: PromptPanel,
    reflector: Reflector,
    episodes: Sequence[Episode],
    database: Database,
    model: str,
    decision: DecisionSettings,
    settings: TuningSettings,
    say: Say = logger.info,
    scope: str = EVERY_SCOPE,
) -> Campaign:
    """Search for a better prompt of the panel's role, and promote one that is proven better.

    :param episodes: recorded decisions, with their outcomes.
    :param model: name of the model that the role is asked through.
    :param scope: run or bot to promote for; "" = every one. What was promoted for others does not count.
    :raises DataError: too few decisions with a known outcome, or later data has decided already.
    :raises ModelUnavailable: the endpoint gave no answers, or no texts.
    """
    role = panel.role
    split = split_by_time(tuning_cases(episodes, role.name, decision), settings.validation)
    boundary = _checked(split, role.name, settings)
    known_at = max(case.outcome.known_at for case in split.validation)
    _refuse_what_was_decided_later(database, role.name, known_at, scope)
    say(
        f"{role.name}: {len(split.training):,} decisions to search on, {len(split.validation):,} from "
        f"{boundary:%Y-%m-%d} on to prove it; {_power_line(len(split.validation), settings)}"
    )
    seed = texts_of(role)
    adapter = CommitteeAdapter(
        panel, reflector, decision, settings.shown_cases, lambda p: say(_proposal_line(p, adapter, settings))
    )
    result: gepa.GEPAResult[AgentView, int] = gepa.optimize(
        seed_candidate=seed,
        trainset=list(split.training),
        valset=list(split.training),
        adapter=adapter,
        # Every case is best served by some extreme prompt, so a frontier over cases would only collect noise.
        candidate_selection_strategy="current_best",
        module_selector="round_robin",
        reflection_minibatch_size=min(settings.minibatch, len(split.training)),
        skip_perfect_score=False,
        stop_callbacks=lambda state: adapter.search.attempts >= settings.proposals or adapter.given_up,
        track_best_outputs=False,
        logger=_Log(),
        seed=settings.seed,
        raise_on_exception=True,
    )
    if adapter.given_up and not adapter.search.proposals:
        raise ModelUnavailable(f"no reflection gave a usable text: {adapter.search.failures[-1]}")
    book = _Book(panel, decision, split, seed)
    incumbent, tried = _tried(book, adapter, result)
    for candidate in (incumbent, *tried):
        save_prompt(database, StoredPrompt(candidate.version, role.name, candidate.texts, candidate.parent))
    record_trials(database, [book.training_trial(c, adapter) for c in tried])
    best = max(
        (c for c in tried if c.training is not None),
        key=lambda c: (c.training or 0.0, c.version),
        default=None,
    )
    assert incumbent.training is not None
    chosen = best if best and (best.training or 0.0) > incumbent.training else None
    if chosen is not None:
        record_trials(database, [book.validation_trial(chosen)])
    counted = trials_of(database, study_of(role.name), split.training[0].asof, split.validation[-1].asof)
    trials = max(len({trial.candidate for trial in counted}), 1)
    effective = counted_trials(book.training_leads(counted), trials)
    found = Campaign(
        role=role.name,
        model=model,
        training=len(split.training),
        validation=len(split.validation),
        boundary=boundary,
        known_at=known_at,
        incumbent=incumbent,
        tried=tried,
        trials=trials,
        effective=effective,
        power=power(effect_of_ic(TYPICAL_IC), len(split.validation), effective, settings.level),
    )
    if chosen is None:
        say(f"none of {len(tried)} candidates is better than the prompt in force, on the training span even")
        return found
    return _proven(found, chosen, book, database, settings, say, scope)


def _proven(
    found: Campaign,
    chosen: Tried,
    book: _Book,
    database: Database,
    settings: TuningSettings,
    say: Say,
    scope: str,
) -> Campaign:
    """Put the chosen candidate before the validation span, and promote it if that supports it."""
    validation = book.split.validation
    verdict = judge(
        book.lead(chosen.texts, validation),
        found.effective,
        moments(validation),
        level=settings.level,
        least_block=overlapping_moments(validation),
        seed=settings.seed,
    )
    say(f"{chosen.version} on the validation span: {verdict.reason}")
    evidence = _evidence(found, chosen, verdict)
    if verdict.promoted:
        prompt = StoredPrompt(chosen.version, found.role, chosen.texts, found.incumbent.version)
        promote(database, prompt, found.incumbent.version, found.known_at, evidence, scope)
    return replace(found, chosen=chosen, verdict=verdict, promoted=verdict.promoted, evidence=evidence)


@dataclass(frozen=True, slots=True)
class _Book:
    """Rewards of texts on spans, paired with those of the prompt in force."""

    panel: PromptPanel
    decision: DecisionSettings
    split: Split
    incumbent: Mapping[str, str]

    def rewards(self, texts: Mapping[str, str], cases: Sequence[TuningCase]) -> npt.NDArray[np.float64]:
        views = self.panel.views(texts, cases)
        return np.array([c.reward(v, self.decision) for c, v in zip(cases, views, strict=True)])

    def lead(self, texts: Mapping[str, str], cases: Sequence[TuningCase]) -> npt.NDArray[np.float64]:
        return self.rewards(texts, cases) - self.rewards(self.incumbent, cases)

    def training_leads(self, counted: Sequence[Trial]) -> npt.NDArray[np.float64]:
        """(cases, K) leads of the candidates of any campaign that were tried on this training span."""
        sample = sample_of(self._occasions(self.split.training))
        leads = [t.results for t in counted if t.sample == sample and t.results is not None]
        return np.column_stack(leads) if leads else np.zeros((len(self.split.training), 0))

    def training_trial(self, candidate: Tried, adapter: CommitteeAdapter) -> Trial:
        """On the whole training span, or on the minibatch that it did not survive."""
        whole = candidate.training is not None
        cases = self.split.training if whole else adapter.search.minibatches[candidate.version]
        return self._trial(candidate, sorted(cases, key=lambda c: (c.asof, c.id)))

    def validation_trial(self, candidate: Tried) -> Trial:
        return self._trial(candidate, self.split.validation)

    @staticmethod
    def _occasions(cases: Sequence[TuningCase]) -> list[str]:
        return [f"{case.episode.scope}/{case.id}" for case in cases]

    def _trial(self, candidate: Tried, cases: Sequence[TuningCase]) -> Trial:
        return trial_of(
            study_of(self.panel.role.name),
            candidate.version,
            self._occasions(cases),
            cases[0].asof,
            cases[-1].asof,
            self.lead(candidate.texts, cases),
        )


class _Log:
    """Forward gepa's own log lines at debug level."""

    def log(self, message: str) -> None:
        logger.debug("gepa: %s", message)


def _tried(book: _Book, adapter: CommitteeAdapter, result: Any) -> tuple[Tried, tuple[Tried, ...]]:
    """The prompt in force, and every distinct candidate that was proposed and asked at least once."""
    role = book.panel.role.name
    means = {
        prompt_version(role, texts): float(score)
        for texts, score in zip(result.candidates, result.val_aggregate_scores, strict=True)
    }
    seed = prompt_version(role, book.incumbent)
    incumbent = Tried(seed, dict(book.incumbent), None, means[seed])
    proposed = [p for p in adapter.search.proposals.values() if p.version in adapter.search.minibatches]
    return incumbent, tuple(
        Tried(p.version, p.texts, p.parent, means.get(p.version)) for p in proposed if p.version != seed
    )


def _checked(split: Split, role: str, settings: TuningSettings) -> datetime:
    training, validation = len(split.training), len(split.validation)
    if split.boundary is None:
        raise DataError(
            f"no decision of agent {role!r} has a known outcome in this scope; run a backtest that records, "
            "and name its scope with --scope"
        )
    if training < settings.least_training or validation < settings.least_validation:
        raise DataError(
            f"{training:,} decisions to search on and {validation:,} to prove it on; at least "
            f"{settings.least_training:,} and {settings.least_validation:,} are needed "
            f"(`agent_market.tuning`): with fewer, noise decides. {_power_line(validation, settings)}. "
            "Record more: a longer time range, more pairs, or a smaller `decision.cadence_candles`"
        )
    return split.boundary


def _refuse_what_was_decided_later(database: Database, role: str, known_at: datetime, scope: str) -> None:
    standing = [p for p in promotions(database, role, (EVERY_SCOPE, scope)) if p.withdrawn_at is None]
    if standing and standing[-1].known_at >= known_at:
        raise DataError(
            f"the prompt of agent {role!r} was promoted on outcomes up to "
            f"{standing[-1].known_at:%Y-%m-%d %H:%M}, and these end at {known_at:%Y-%m-%d %H:%M}: tune on "
            "later decisions, or take the promotion back with "
            f"`agent-market tune-prompts --rollback --role {role}"
            f"{f' --for {standing[-1].scope}' if standing[-1].scope else ''}`"
        )


def _power_line(validation: int, settings: TuningSettings) -> str:
    chance = power(effect_of_ic(TYPICAL_IC), max(validation, 1), settings.proposals, settings.level)
    return (
        f"an edge of IC {TYPICAL_IC:g} over a prompt without one is proven {chance:.0%} of the time with "
        f"{validation:,} independent decisions and {settings.proposals} trials"
    )


def _proposal_line(proposal: PromptProposal, adapter: CommitteeAdapter, settings: TuningSettings) -> str:
    return (
        f"proposal {adapter.search.attempts} of {settings.proposals}: {proposal.part} of {proposal.parent} "
        f"rewritten as {proposal.version}"
    )


def _evidence(found: Campaign, chosen: Tried, verdict: Verdict) -> dict[str, Any]:
    """Why it was promoted, as the store keeps it."""
    return {
        "model": found.model,
        "training": found.training,
        "validation": found.validation,
        "boundary": found.boundary.isoformat(),
        "trials": found.trials,
        "effective_trials": found.effective,
        "training_mean": chosen.training,
        "incumbent_training_mean": found.incumbent.training,
        "lead": verdict.test.mean,
        "lead_low": verdict.test.low,
        "lead_high": verdict.test.high,
        "p_value": verdict.test.p_value,
        "deflated_p": verdict.deflated_p,
        "deflated_sharpe": verdict.deflated_sharpe,
        "block": verdict.test.block,
        "parts": [part for part in PARTS if chosen.texts.get(part) != found.incumbent.texts.get(part)],
    }
