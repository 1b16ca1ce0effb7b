"""Decisions, debates, memory and weights."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from agent_market.agents.debate.transcript import transcript
from agent_market.bot.rest import schemas
from agent_market.bot.rest.dependencies import PLAIN, Asked, Before, Pair, Since, aware
from agent_market.bot.rest.errors import RESPONSES, AgentsRoute
from agent_market.queries.decisions import DecisionRow, decision_page, decision_whole
from agent_market.queries.knowledge import search_memory
from agent_market.queries.risk_log import risk_log_of
from agent_market.queries.weights import weights_over_time
from agent_market.store.fates import DecisionStatus

router = APIRouter(prefix="/agents", tags=["Agents"], route_class=AgentsRoute, responses=RESPONSES)

DecisionId = Annotated[
    str,
    Path(description="Id as entry tags and the list name it, with its slash.", max_length=64, pattern=PLAIN),
]
Limit = Annotated[int, Query(description="Most rows of a page.", ge=1, le=200)]


@router.get("/decisions", summary="Decisions, newest first")
def decisions(
    source: Asked,
    pair: Pair = None,
    fate: Annotated[DecisionStatus | None, Query(description="Only those that ended so.")] = None,
    since: Since = None,
    before: Before = None,
    limit: Limit = 50,
) -> schemas.DecisionPage:
    """All of them, those that were refused or not traded included."""
    page = decision_page(source, pair, fate, since, before, limit)
    return schemas.DecisionPage(decisions=[summary_of(row) for row in page.rows], next=page.next)


@router.get("/decisions/{decision:path}", summary="One decision whole")
def decision_by_id(source: Asked, decision: DecisionId) -> schemas.DecisionWhole:
    """What was known, recalled, said, weighed, decided, clamped, refused and filled, and what came of it."""
    row, debate, lines = decision_whole(source, risk_log_of(source.folder), decision)
    return schemas.DecisionWhole(
        fate=row.fate, refusal=row.refusal, episode=row.episode, debate=debate, journal=list(lines)
    )


@router.get("/debates", summary="Debates, newest first")
def debates(
    source: Asked, pair: Pair = None, since: Since = None, before: Before = None, limit: Limit = 50
) -> schemas.DebatePage:
    """The decisions that a full debate led to."""
    page = decision_page(source, pair, None, since, before, limit, debated=True)
    found = [
        schemas.DebateSummary(
            decision=row.episode.id,
            pair=row.episode.view.pair,
            asof=row.episode.view.asof,
            depth=row.episode.decision.depth,
            fate=row.fate,
        )
        for row in page.rows
    ]
    return schemas.DebatePage(debates=found, next=page.next)


@router.get("/debates/{decision:path}", summary="What was said before a decision")
def debate_of(source: Asked, decision: DecisionId) -> schemas.DebateAnswer:
    """The debate by speeches and as text; where none was held, each agent's view as text."""
    row, debate, _ = decision_whole(source, risk_log_of(source.folder), decision)
    return schemas.DebateAnswer(decision=decision, debate=debate, transcript=transcript(row.episode, debate))


@router.get("/memory", summary="Search memory by words")
def memory(
    source: Asked,
    query: Annotated[
        str, Query(description="What to look for.", min_length=1, max_length=400, pattern=PLAIN)
    ],
    asof: Annotated[
        datetime | None,
        Query(description="As memory stood then; now without it."),
        AfterValidator(lambda moment: None if moment is None else aware(moment)),
    ] = None,
    pair: Pair = None,
    k: Annotated[int, Query(description="How many.", ge=1, le=50)] = 5,
) -> schemas.MemoryAnswer:
    """Notes that people taught, and what the agents said in settled cases."""
    moment = asof or datetime.now(UTC).replace(microsecond=0)
    hits = [
        schemas.MemoryHit(
            id=hit.item.id,
            text=hit.item.text,
            score=hit.score,
            known_at=datetime.fromtimestamp(hit.item.known_at, UTC),
            merged=list(hit.merged),
            contested_by=list(hit.contested_by),
        )
        for hit in search_memory(source, query, moment, k, pair)
    ]
    return schemas.MemoryAnswer(asof=moment, hits=hits)


@router.get("/weights", summary="Weights of the agents over time")
def weights(
    source: Asked,
    pair: Pair = None,
    since: Since = None,
    limit: Annotated[int, Query(description="Newest decisions.", ge=1, le=1000)] = 200,
) -> schemas.WeightsAnswer:
    """Who was trusted how much at each of the newest decisions, oldest first."""
    found = weights_over_time(source, pair, since, limit)
    return schemas.WeightsAnswer(weighings=[schemas.WeighingAnswer.model_validate(w) for w in found])


def summary_of(row: DecisionRow) -> schemas.DecisionSummary:
    """A decision as lists and the stream show it."""
    episode = row.episode
    return schemas.DecisionSummary(
        id=episode.id,
        pair=episode.view.pair,
        asof=episode.view.asof,
        depth=episode.decision.depth,
        allowed_depth=episode.verdict.depth,
        action=episode.decision.action,
        confidence=episode.decision.confidence,
        fate=row.fate,
        refusal=row.refusal,
        clamps=[clamp.limit for clamp in episode.verdict.clamps],
        debated=row.debated,
        market_return=episode.outcome.market_return if episode.outcome else None,
    )
