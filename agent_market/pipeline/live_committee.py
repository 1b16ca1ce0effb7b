"""Asking models beside the candle loop, which must not wait for them: dry-run and live.

The loop hands over the question of a candle and decides at once with the newest views known, whose age the
decision records.  Workers put questions to the committee, one a pair at a time; while a question waits, a
newer one of its pair takes its place.  When the answers are there, the next candle of that pair is a
decision point even if nothing else makes it one, so fresh views are late by at most one candle.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from agent_market.agents.roles import Role
from agent_market.config import LiveSettings
from agent_market.errors import AgentMarketError
from agent_market.llm.decision_context import DecisionContext, current_context, decision_context
from agent_market.records import AgentView, Episode, MarketView, Recall

logger = logging.getLogger(__name__)


class ViewSource(Protocol):
    """A source of the agents' views of one decision."""

    def ask(
        self,
        view: MarketView,
        recall: Recall,
        given: Mapping[str, AgentView],
        recent: Iterable[Episode] = (),
    ) -> tuple[AgentView, ...]:
        """Every agent's view or abstention, in table order; a full debate is left on the open case.

        :param recent: episodes of the pair decided before `view.asof`, newest first.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Question:
    decision: str
    view: MarketView
    recall: Recall
    given: Mapping[str, AgentView]
    recent: tuple[Episode, ...]


@dataclass(frozen=True, slots=True)
class _LiveAnswer:
    """What the committee said to the question of `asof`."""

    asof: datetime
    views: tuple[AgentView, ...]
    case: DecisionContext


class BackgroundCommittee:
    """A committee that is asked by workers of its own. Thread-safe."""

    def __init__(self, committee: ViewSource, live: LiveSettings, deadline_s: float) -> None:
        """
        :param committee: asked by several threads at the same time.
        :param deadline_s: seconds that one question may take.
        """
        self._committee = committee
        self._live = live
        self._deadline_s = deadline_s
        self._changed = threading.Condition()
        self._waiting: dict[str, _Question] = {}
        self._under_way: set[str] = set()
        self._latest: dict[str, _LiveAnswer] = {}
        self._news: set[str] = set()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"agent-market-asks-{n}", daemon=True)
            for n in range(live.workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        decision: str,
        view: MarketView,
        recall: Recall,
        given: Mapping[str, AgentView],
        recent: Iterable[Episode] = (),
    ) -> None:
        """Have this question asked as soon as a worker is free."""
        with self._changed:
            # Set, not moved to the end: a pair whose questions come fast must not lose its place for ever.
            self._waiting[view.pair] = _Question(decision, view, recall, given, tuple(recent))
            if len(self._waiting) > self._live.queue:
                oldest = next(iter(self._waiting))
                del self._waiting[oldest]
                logger.warning(
                    "more than %d pairs wait for the models: the question of %s is dropped (setting "
                    "`agent_market.live.queue`)",
                    self._live.queue,
                    oldest,
                )
            self._changed.notify_all()

    def has_news(self, pair: str) -> bool:
        """Whether the committee has answered a question of `pair` that no decision has taken yet."""
        return pair in self._news

    def newest(self, pair: str, asof: datetime, wait_s: float = 0.0) -> _LiveAnswer | None:
        """What the committee said last, waiting up to `wait_s` for what it says to the question of `asof`."""
        with self._changed:
            if wait_s > 0:
                self._changed.wait_for(lambda: self._is_closed or self._answered(pair, asof), wait_s)
            self._news.discard(pair)
            return self._latest.get(pair)

    def close(self) -> None:
        """Drop what waits and let the workers end; what is under way ends with the committee's own close."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _answered(self, pair: str, asof: datetime) -> bool:
        latest = self._latest.get(pair)
        return latest is not None and latest.asof >= asof

    def _work(self) -> None:
        while (question := self._next()) is not None:
            pair = question.view.pair
            with decision_context(question.decision, self._deadline_s, is_patient=False) as case:
                latest = _LiveAnswer(question.view.asof, self._views(question), case)
            with self._changed:
                self._under_way.discard(pair)
                if not self._answered(pair, latest.asof):
                    self._latest[pair] = latest
                    if any(not v.abstains for v in latest.views if v.agent not in question.given):
                        self._news.add(pair)
                self._changed.notify_all()

    def _next(self) -> _Question | None:
        with self._changed:
            while not self._is_closed:
                pair = next((pair for pair in self._waiting if pair not in self._under_way), None)
                if pair is not None:
                    self._under_way.add(pair)
                    return self._waiting.pop(pair)
                self._changed.wait()
        return None

    def _views(self, question: _Question) -> tuple[AgentView, ...]:
        try:
            return self._committee.ask(question.view, question.recall, question.given, question.recent)
        except AgentMarketError as error:
            logger.error("%s was not put to the models: %s", question.decision, error)
        except Exception:
            # The bot trades on without models: one broken question must not end all later ones.
            logger.exception("%s was not put to the models", question.decision)
        return ()


class LiveCommittee:
    """The committee as a live session sees it: it never waits for a model beyond `live.wait_s`."""

    def __init__(
        self,
        roles: tuple[Role, ...],
        background: BackgroundCommittee,
        wait_s: float,
        max_age: timedelta,
        asks: bool = True,
    ) -> None:
        """
        :param max_age: a view older than this at a decision is an abstention.
        :param asks: whether a decision hands its own question over; one that was made because answers came
            in does not, or every answer would lead to the next question.
        """
        self._roles = roles
        self._background = background
        self._wait_s = wait_s
        self._max_age = max_age
        self._asks = asks

    def ask(
        self,
        view: MarketView,
        recall: Recall,
        given: Mapping[str, AgentView],
        recent: Iterable[Episode] = (),
    ) -> tuple[AgentView, ...]:
        """The newest views known, each with its `asof` where that is before this decision.

        Agents without an answer yet abstain and are marked as skipped, so their last view may stand in.
        """
        case = current_context()
        if self._asks:
            self._background.submit(case.decision, view, recall, given, recent)
        latest = self._background.newest(view.pair, view.asof, self._wait_s if self._asks else 0.0)
        if latest is not None:
            case.take_usage(latest.case)
            case.debate, latest.case.debate = latest.case.debate, None
        said = {v.agent: v for v in latest.views} if latest is not None else {}
        views = []
        for role in self._roles:
            if role.source != "llm":
                views.append(
                    given.get(role.name)
                    or AgentView.abstain(role.name, f"no view came from the {role.source}")
                )
                continue
            views.append(self._view(role.name, said.get(role.name), latest, view.asof, case))
        return tuple(views)

    def listening(self) -> LiveCommittee:
        """The same committee for decisions that use answers and submit no question."""
        return LiveCommittee(self._roles, self._background, self._wait_s, self._max_age, asks=False)

    def has_news(self, pair: str) -> bool:
        """Whether answers came in that no decision has taken yet."""
        return self._background.has_news(pair)

    def _view(
        self,
        role: str,
        said: AgentView | None,
        latest: _LiveAnswer | None,
        asof: datetime,
        case: DecisionContext,
    ) -> AgentView:
        if latest is None:
            return _skipped(role, "asked; no answer is here yet", case)
        if said is None:
            return _skipped(role, f"the question of {latest.asof:%Y-%m-%dT%H:%MZ} could not be put", case)
        if said.abstains:
            return _skipped(role, said.abstained_reason or "", case)
        if asof - latest.asof > self._max_age:
            return _skipped(role, f"its view of {latest.asof:%Y-%m-%dT%H:%MZ} is too old", case)
        return said if latest.asof == asof else replace(said, asof=latest.asof)


def _skipped(role: str, cause: str, case: DecisionContext) -> AgentView:
    case.mark_skipped(role, cause)
    return AgentView.abstain(role, cause)
