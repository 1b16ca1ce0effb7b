"""An opinion with a history: an agent's own last beliefs, how old they are, and what happened since.

Point in time: a belief comes from an episode decided before, and what happened since from the two closes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from agent_market.errors import DataError
from agent_market.records import AgentView, Episode, MarketView

LOOK_BACK = 24
"""How many decisions are searched for an agent's last beliefs; older ones are forgotten."""

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000}


@dataclass(frozen=True, slots=True)
class PastBelief:
    """An earlier view of one agent.

    `age` in candles, `return_since` from the close it was held at to the close of now (None where one is not
    known).
    """

    view: AgentView
    age: int
    return_since: float | None

    @property
    def was_proved_wrong(self) -> bool | None:
        """Whether the price now stands beyond the level that the agent gave; None without either."""
        level, since = self.view.invalidation, self.return_since
        if level is None or since is None:
            return None
        return since <= level if level < 0 else since >= level


class DecisionHistory:
    """The newest `LOOK_BACK` decisions of one pair, for agents to look back on; iterates newest first."""

    def __init__(self, episodes: Iterable[Episode] = ()) -> None:
        self._episodes: deque[Episode] = deque(maxlen=LOOK_BACK)
        self.restart(episodes)

    def __iter__(self) -> Iterator[Episode]:
        return reversed(self._episodes)

    def restart(self, episodes: Iterable[Episode]) -> None:
        """Forget everything and take up `episodes`, in any order."""
        self._episodes.clear()
        self._episodes.extend(sorted(episodes, key=lambda episode: episode.view.asof))

    def add(self, episode: Episode) -> None:
        """Take up a decision that is newer than all before."""
        self._episodes.append(episode)


def past_beliefs(
    agent: str, recent: Iterable[Episode], now: MarketView, count: int
) -> tuple[PastBelief, ...]:
    """The agent's newest `count` beliefs among `recent`, newest first.

    :param recent: episodes decided before `now.asof`, newest first.
    """
    if count == 0:
        return ()
    seconds = timeframe_s(now.timeframe)
    closes: dict[datetime, float | None] = {}
    formed: dict[datetime, AgentView] = {}
    newest: list[datetime] = []
    for episode in recent:
        # Whatever an older episode holds was formed at its time or before, and has no place any more.
        if len(newest) == count and newest[-1] > episode.view.asof and closes.keys() >= set(newest):
            break
        closes[episode.view.asof] = episode.view.close
        view = next((v for v in episode.views if v.agent == agent and not v.abstains), None)
        if view is not None:
            # A view that stood in for a missing one was formed earlier, and is one belief all the same.
            formed.setdefault(view.asof or episode.view.asof, view)
            newest = sorted(formed, reverse=True)[:count]
    return tuple(_past(formed[at], at, closes.get(at), now, seconds) for at in newest)


def _past(view: AgentView, at: datetime, close: float | None, now: MarketView, seconds: int) -> PastBelief:
    return PastBelief(
        view=view,
        age=int((now.asof - at).total_seconds()) // seconds,
        return_since=now.close / close - 1.0 if now.close and close else None,
    )


@lru_cache(maxsize=64)
def timeframe_s(timeframe: str) -> int:
    """Seconds of a candle of freqtrade's timeframe, such as 1h (a month counts 30 days).

    :raises DataError: `timeframe` is invalid.
    """
    number, unit = timeframe[:-1], timeframe[-1:]
    if not number.isdigit() or unit not in _UNITS:
        raise DataError(f"Invalid timeframe {timeframe!r}; use for example 15m, 1h or 1d")
    return int(number) * _UNITS[unit]
