"""Virtual experts: cash (depth 0), and the mirror of each agent (its depth negated).

With cash as an expert the weights can leave the market; with mirrors an agent that is reliably wrong is worth
as much as one that is right.  Both give views that are recorded, rewarded and weighted like an agent's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent_market.config import DecisionSettings
from agent_market.records import AgentView

CASH = "cash"
MIRROR = "not_"


def seats(agents: Sequence[str], settings: DecisionSettings) -> tuple[str, ...]:
    """List all experts in a fixed order: the agents, then mirrors and cash if the settings enable them."""
    mirrors = tuple(MIRROR + agent for agent in agents) if settings.weighting_mirrors else ()
    cash = (CASH,) if settings.has_cash else ()
    return (*agents, *mirrors, *cash)


def with_seats(views: tuple[AgentView, ...], settings: DecisionSettings) -> tuple[AgentView, ...]:
    """Append the views of the virtual experts to `views`. A mirror abstains where its agent does."""
    mirrors = tuple(_mirrored(view) for view in views) if settings.weighting_mirrors else ()
    cash = (AgentView(CASH, 0.0, 1.0, "No position."),) if settings.has_cash else ()
    return (*views, *mirrors, *cash)


def _mirrored(view: AgentView) -> AgentView:
    return replace(
        AgentView(MIRROR + view.agent, -view.depth or 0.0, view.confidence, f"The opposite of {view.agent}."),
        abstained_reason=view.abstained_reason,
    )
