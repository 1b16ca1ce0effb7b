"""The kill switch, the mode, and answers to entries that wait for a yes. Who said it is kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from agent_market.bot.attach import current
from agent_market.bot.control import Control, ControlState
from agent_market.bot.rest import schemas
from agent_market.bot.rest.dependencies import Asked, User
from agent_market.bot.rest.errors import RESPONSES, AgentsRoute
from agent_market.errors import DataError
from agent_market.queries.run_context import RunContext

router = APIRouter(prefix="/agents", tags=["Agents control"], route_class=AgentsRoute, responses=RESPONSES)


@router.get("/control", summary="Kill switch and mode")
def control(source: Asked) -> schemas.Switch:
    """What stands now."""
    return schemas.Switch.model_validate(Control(source.folder).state())


@router.post("/control/pause", summary="No entry of any kind")
def pause(source: Asked, user: User, order: schemas.PauseOrder) -> schemas.Switch:
    """At once and over restarts, forced entries included; open trades are looked after as before."""
    return _told(source, Control(source.folder).pause(f"rest:{user}", order.reason), user)


@router.post("/control/resume", summary="Entries again")
def resume(source: Asked, user: User) -> schemas.Switch:
    """The circuit breaker is another matter: it stays as it is."""
    return _told(source, Control(source.folder).resume(f"rest:{user}"), user)


@router.post("/control/mode", summary="Change the mode")
def mode(source: Asked, user: User, order: schemas.ModeOrder) -> schemas.Switch:
    """auto, confirm or manual; kept over restarts."""
    return _told(source, Control(source.folder).set_mode(order.mode, f"rest:{user}"), user)


@router.get("/proposals", summary="Entries that wait for a yes")
def proposals() -> schemas.ProposalsAnswer:
    """In mode `confirm`; none without a bot in this process."""
    bot = current()
    waiting = bot.confirmations.pending() if bot else ()
    return schemas.ProposalsAnswer(
        proposals=[schemas.ProposalAnswer.model_validate(proposal) for proposal in waiting]
    )


@router.post("/proposals/{number}", summary="Say yes or no to an entry")
def answer(
    number: Annotated[int, Path(description="Of the proposal.", ge=1)], user: User, order: schemas.YesOrNo
) -> schemas.ProposalAnswer:
    """The first answer counts; silence is a no."""
    bot = current()
    answered = bot.confirmations.answer(number, order.yes, f"rest:{user}") if bot else None
    if answered is None:
        raise DataError(
            f"no proposal {number} waits for an answer; it was answered, is too old, or never was"
        )
    return schemas.ProposalAnswer.model_validate(asdict(answered))


def _told(source: RunContext, state: ControlState, user: str) -> schemas.Switch:
    bot = current()
    if bot is not None:
        words = "paused" + (f": {state.reason}" if state.reason else "") if state.paused else "entries go on"
        bot.bus.publish("warning", "control", f"{words}; mode {state.mode} (rest:{user})", by=f"rest:{user}")
    return schemas.Switch.model_validate(state)
