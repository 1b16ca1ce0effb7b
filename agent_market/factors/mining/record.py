"""The record of a search, made from what was found and from both spans."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import agent_market
from agent_market.config import AgentMarketSettings
from agent_market.factors.mining.bandit import Arm
from agent_market.factors.mining.files import (
    EXPRESSIONS_SCHEMA,
    ArmEntry,
    Expressions,
    FactorEntry,
    FailureEntry,
    Scores,
    SpanEntry,
    TrialEntry,
    VerdictEntry,
    finite,
)
from agent_market.factors.mining.lessons import lessons_of
from agent_market.factors.mining.records import Failure, Member, Span
from agent_market.factors.mining.scoring_context import Bench
from agent_market.factors.mining.search import Found
from agent_market.factors.novelty import novelty
from agent_market.factors.panel import CandlePanel
from agent_market.factors.scoring.joint import contributions
from agent_market.factors.scoring.regimes import market_regimes
from agent_market.factors.scoring.scorer import FactorScore
from agent_market.store.trials import sample_of

MOST_FAILURES = 50


def expressions_of(
    found: Found,
    run: str,
    study: str,
    panel: CandlePanel,
    search: Bench,
    later: Bench,
    settings: AgentMarketSettings,
    model: str | None,
    verdict: VerdictEntry | None,
    trials: int,
    effective: float,
) -> Expressions:
    """Everything that is kept of a search; it takes the full scores of the pool on both spans."""
    members = found.pool.members
    trees = [member.scored.tree for member in members]
    weights = found.pool.aligned(trees)
    joint, joint_later = search.joint_ic(trees, weights), later.joint_ic(trees, weights)
    factors = _factors(members, study, search, later, model) if members else ()
    failed = found.failures
    return Expressions(
        schema=EXPRESSIONS_SCHEMA,
        run=run,
        known_at=later.span.end,
        version=agent_market.__version__,
        model=model,
        seed=settings.mining.seed,
        timeframe_minutes=panel.minutes,
        pairs=panel.pairs,
        horizon=settings.mining.horizon,
        span=_span(search.span),
        promote_span=_span(later.span),
        study=study,
        tried=len(found.scored) + sum(bool(failure.expression) for failure in failed),
        trials=trials,
        effective_trials=effective,
        joint_ic=finite(joint),
        joint_ic_later=finite(joint_later),
        promoted=verdict is not None and verdict.promoted,
        verdict=verdict,
        proposers=tuple(map(_arm, found.arms)),
        factors=factors,
        failures=tuple(map(_failure, failed[-MOST_FAILURES:])),
        lessons=lessons_of(factors, found.scored, failed, found.arms, joint, joint_later),
    )


def _factors(
    members: tuple[Member, ...], study: str, search: Bench, later: Bench, model: str | None
) -> tuple[FactorEntry, ...]:
    trees = {member.scored.name: member.scored.tree for member in members}
    added = contributions(search.evidence(list(trees.values())), later.evidence(list(trees.values())))
    sample = sample_of(search.occasions)
    regimes = {id(bench): market_regimes(bench.panel) for bench in (search, later)}
    entries = []
    for member, contribution in zip(members, added, strict=True):
        scored = member.scored
        others = {name: tree for name, tree in trees.items() if name != scored.name}
        early = search.score(scored.tree, others, None, regimes[id(search)])
        late = later.score(scored.tree, others, early.direction, regimes[id(later)])
        entries.append(
            FactorEntry(
                name=scored.name,
                hash=scored.tree.digest,
                expression=str(scored.tree),
                proposer=scored.proposer,
                model=model if scored.proposer == "llm" else None,
                rationale=scored.rationale,
                known_at=later.span.end,
                trial=TrialEntry(study=study, candidate=scored.tree.digest, sample=sample),
                weight=member.weight,
                contribution=float(np.nan_to_num(contribution)),
                novelty=novelty(scored.tree, others.values())[0],
                scores=_scores(early),
                later=_scores(late),
            )
        )
    return tuple(entries)


def _scores(score: FactorScore) -> Scores:
    rank, book = score.screening.rank_ic, score.book
    return Scores(
        rank_ic=finite(rank.mean),
        icir=finite(rank.ratio),
        t=finite(rank.t),
        times=rank.times,
        coverage=score.screening.coverage,
        time_ic=finite(score.time_ic),
        half_life=finite(score.half_life),
        turnover=finite(book.turnover),
        gross=finite(book.gross),
        net=finite(book.net),
        sharpe=finite(book.sharpe),
        monotonicity=finite(score.monotonicity),
        direction=score.direction,
        decay={str(horizon): finite(value) for horizon, value in score.decay.items()},
        by_year=_means(score.by_year),
        by_regime=_means(score.by_regime),
        closest_in_pool=score.closest if np.isfinite(score.closest) else 0.0,
    )


def _means(labels: Mapping[str, tuple[float, int]]) -> dict[str, float | None]:
    return {label: finite(mean) for label, (mean, _) in labels.items()}


def _span(span: Span) -> SpanEntry:
    return SpanEntry(start=span.start, end=span.end)


def _arm(arm: Arm) -> ArmEntry:
    return ArmEntry(
        name=arm.name,
        asked=arm.asked,
        proposals=arm.proposals,
        accepted=arm.accepted,
        retired=arm.retired,
    )


def _failure(failure: Failure) -> FailureEntry:
    return FailureEntry(proposer=failure.proposer, expression=failure.expression, problem=failure.problem)
