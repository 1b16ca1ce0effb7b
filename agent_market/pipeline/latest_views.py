"""The newest view of each agent on one pair: used if an agent was not asked or has not answered yet.

A view stands in only up to an age, and says so: `AgentView.asof` is when it was formed, `carried_reason`
why it is used.  An agent that was asked and failed is not replaced: it abstains, with its cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from agent_market.records import AgentView, Episode


class LatestViews:
    """Views of the agents of one pair, by agent. Not thread-safe: one session walks one pair."""

    def __init__(self, max_age: timedelta) -> None:
        """:param max_age: a view older than this at a decision stands in no longer."""
        self._max_age = max_age
        self._held: dict[str, tuple[datetime, AgentView]] = {}

    def rebuild(self, episodes: Iterable[Episode]) -> None:
        """Hold what these episodes said, and nothing else; they come in order of time."""
        self._held.clear()
        for episode in episodes:
            self.note(episode.view.asof, episode.views)

    def note(self, asof: datetime, views: Iterable[AgentView]) -> None:
        """Take up the opinions of a decision at `asof`; abstentions leave the older view in place."""
        for view in views:
            if view.abstains:
                continue
            formed = view.asof or asof
            held = self._held.get(view.agent)
            if held is None or held[0] <= formed:
                self._held[view.agent] = (formed, view)

    def stand_in(
        self, views: Iterable[AgentView], asof: datetime, skipped: Mapping[str, str]
    ) -> tuple[AgentView, ...]:
        """`views`, with the last view of each excused agent that abstains in its place.

        :param asof: the moment of the decision.
        :param excused: cause by agent: why it was not asked, or has not answered yet.
        """
        return tuple(self._stand_in(view, asof, skipped) if view.abstains else view for view in views)

    def _stand_in(self, view: AgentView, asof: datetime, skipped: Mapping[str, str]) -> AgentView:
        held = self._held.get(view.agent)
        if view.agent not in skipped or held is None or asof - held[0] > self._max_age:
            return view
        return replace(held[1], asof=held[0], carried_reason=skipped[view.agent])
