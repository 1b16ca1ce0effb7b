"""One decision for one pair: the whole path that ends in a trade, in the order it happens.

    perceive (before) -> recall -> debate -> weigh -> fuse -> gate -> record

The same function runs in backtests, dry-run and live.  Stages pass frozen records; whatever has
state or talks to the outside (memory, committee, learner) is handed in on the `CycleContext`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from agent_market.agents.memory_agent import memory_view
from agent_market.agents.prompts.belief_history import DecisionHistory, timeframe_s
from agent_market.config import AgentMarketSettings
from agent_market.decision.experts.virtual_experts import with_seats
from agent_market.decision.fusion import decide
from agent_market.decision.learner import WeightLearner
from agent_market.decision.nets.inputs import Seen
from agent_market.llm.decision_context import DecisionContext, decision_context
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.lessons import LessonBook
from agent_market.pipeline.latest_views import LatestViews
from agent_market.pipeline.live_committee import ViewSource
from agent_market.records import AgentView, Decision, Episode, MarketView, Recall, decision_id
from agent_market.risk.limits import limit_depth


class Decider(Protocol):
    """Learned nets that decide in place of the online weights (`decision.nets.inference.NetDecider`)."""

    def decide(self, seen: Seen, held: float, decision_id: str) -> Decision:
        """The decision on what is known; `held` is the depth decided before that still holds, else 0."""
        ...


@dataclass(frozen=True, slots=True)
class CycleContext:
    """What `run_cycle` decides with, for one pair of one run.

    `scope` names the run in the store; `memory`, `learner` and `decision_history` belong to this pair and
    grow with each decision. `nets` replaces the online weights where learned nets are in force, else None.
    `can_short`: whether a negative depth can be held at all; on spot it is held as flat.
    """

    scope: str
    settings: AgentMarketSettings
    memory: EpisodicMemory
    lessons: LessonBook
    committee: ViewSource
    latest: LatestViews
    learner: WeightLearner
    decision_history: DecisionHistory
    nets: Decider | None = None
    can_short: bool = True


def run_cycle(
    view: MarketView,
    quant: AgentView,
    horizon: timedelta,
    desk: CycleContext,
    rules: Mapping[str, AgentView] | None = None,
) -> Episode:
    """Decide once on what is known at `view.asof`, remember it, and return the whole episode.

    :param view: the market as of the candle's close.
    :param quant: the trained model's opinion on the same candle (or its abstention).
    :param rules: views of the arithmetic agents on the same candle, by name; absent ones abstain.
    :param horizon: time after `view.asof` at which the outcome will be known.
    :raises ReplayMiss: in replay mode, when an answer was never recorded.
    """
    settings = desk.settings
    name = decision_id(view.pair, view.asof)
    recall = replace(desk.memory.recall(view), lessons=desk.lessons.about(view))
    given = {"quant": quant, "memory": memory_view(recall, settings.memory), **(rules or {})}
    said, case = _ask(name, view, recall, given, desk)
    views = with_seats(said, settings.decision)
    awake = {v.agent: v.depth for v in views if not v.abstains}
    weights = desk.learner.weights(desk.memory.settled(view.asof), awake, view.regime)
    decision = (
        decide(view, views, weights, settings.decision, name)
        if desk.nets is None
        else desk.nets.decide(Seen(views, weights, view, recall), _held(view, desk), name)
    )
    verdict = limit_depth(decision, view, settings.risk, settings.decision.hold_threshold)
    episode = Episode(
        scope=desk.scope,
        view=view,
        recall=recall,
        views=views,
        decision=decision,
        verdict=verdict,
        due=view.asof + horizon,
        debate=case.debate,
        usage=case.usage,
    )
    desk.memory.remember(episode)
    desk.decision_history.add(episode)
    desk.latest.note(view.asof, views)
    return episode


def _ask(
    name: str, view: MarketView, recall: Recall, given: Mapping[str, AgentView], desk: CycleContext
) -> tuple[tuple[AgentView, ...], DecisionContext]:
    """Everyone's view, and the case with bill and debate; who could not be paid speaks with its last view."""
    with decision_context(name, desk.settings.llm.deadline_s) as case:
        views = desk.committee.ask(view, recall, given, desk.decision_history)
    return desk.latest.stand_in(views, view.asof, case.skipped), case


def _held(view: MarketView, desk: CycleContext) -> float:
    """The position held at `view`, as a depth: that of the last decision after risk, if it still holds.

    What risk took off was not traded, and where there are no shorts a negative depth is held as flat.
    """
    last = next(iter(desk.decision_history), None)
    if last is None:
        return 0.0
    age_s = (view.asof - last.view.asof).total_seconds()
    limit_s = timeframe_s(view.timeframe) * desk.settings.decision.max_age_candles
    if age_s > limit_s:
        return 0.0
    return last.verdict.depth if desk.can_short else max(last.verdict.depth, 0.0)
