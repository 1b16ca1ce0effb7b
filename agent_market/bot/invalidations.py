"""The return at which the agents behind a trade said that they would be wrong, from the stored decision."""

from __future__ import annotations

from freqtrade.strategy import IStrategy

from agent_market.queries.run_context import open_source
from agent_market.records import decision_of
from agent_market.risk.invalidation import invalidation_level
from agent_market.store.episodes import find_episode

Level = tuple[float, float | None]


class Invalidations:
    """One read of the store a trade; afterwards its answer is kept. One bot's or backtest's."""

    def __init__(self, strategy: IStrategy) -> None:
        """
        :raises DataError: there is no store, so that its decisions cannot be found.
        """
        source = open_source(strategy.config)
        self._scope = source.scope
        self._database = source.database
        self._known: dict[tuple[str, int], Level] = {}

    def of(self, tag: str, sign: int) -> Level:
        """(close at the decision, return from there that proves it wrong); level None where not said."""
        key = (tag, sign)
        if key not in self._known:
            self._known[key] = self._read(decision_of(tag), sign)
        return self._known[key]

    def _read(self, decision: str, sign: int) -> Level:
        episode = find_episode(self._database, self._scope, decision) if decision else None
        if episode is None or episode.view.close is None:
            return 0.0, None
        return episode.view.close, invalidation_level(episode.views, episode.decision.weights, sign)
