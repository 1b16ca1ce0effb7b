"""Walking one pair through time: settle what became known, decide, remember.

A session owns what has state for one pair - memory, learned weights, the decisions that still hold - and
walks candle rows in order.  It may be rewound: everything it knows is rebuilt from the store as of that
moment, so a window whose predictions FreqAI took from its cache leaves no gap, and a killed run goes on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.agents.prompts.belief_history import DecisionHistory
from agent_market.agents.rule_agents import rule_views
from agent_market.config import AgentMarketSettings
from agent_market.decision.calibration import DecisionCalibrator
from agent_market.decision.learner import WeightLearner
from agent_market.decision.nets.bundle import NetBundle
from agent_market.features.state import STATE_FEATURES, state_matrix
from agent_market.features.view import make_view
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.lessons import LessonBook
from agent_market.outcomes import outcome_of
from agent_market.perception.news import NewsBook
from agent_market.pipeline.cadence import LastDecision, decision_points
from agent_market.pipeline.columns import ColumnSchema, HeldDecision
from agent_market.pipeline.cycle import CycleContext, run_cycle
from agent_market.pipeline.diversity_columns import NAMES as CORRELATIONS
from agent_market.pipeline.diversity_columns import recent_correlations
from agent_market.pipeline.latest_views import LatestViews
from agent_market.pipeline.live_committee import LiveCommittee, ViewSource
from agent_market.pipeline.quant import quant_view
from agent_market.records import Episode, Evidence
from agent_market.risk.limits import limit_depth
from agent_market.store.database import Database
from agent_market.utils.arrays import Floats, Ints

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rows:
    """T consecutive candles of one pair with what is known at the close of each.

    `test` is what the model showed on the newest part of its training span, which it had not seen; `rules`
    the numbers of the arithmetic agents, which abstain without.
    """

    closes_s: Ints
    close: Floats
    features: pd.DataFrame
    context: pd.DataFrame
    predictions: Floats
    depths: Floats
    usable: npt.NDArray[np.bool_]
    test: Evidence
    rules: pd.DataFrame | None = None

    def last(self) -> Rows:
        """Only the newest row."""
        return replace(
            self,
            closes_s=self.closes_s[-1:],
            close=self.close[-1:],
            features=self.features.iloc[-1:],
            context=self.context.iloc[-1:],
            predictions=self.predictions[-1:],
            depths=self.depths[-1:],
            usable=self.usable[-1:],
            rules=None if self.rules is None else self.rules.iloc[-1:],
        )


@dataclass(frozen=True, slots=True)
class Candles:
    """The pair's candles as arrays, with open and close times in seconds; outcomes are measured on them."""

    opens_s: Ints
    closes_s: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats

    @classmethod
    def of(cls, frame: pd.DataFrame, timeframe_s: int) -> Candles:
        prices = [frame[c].to_numpy(dtype=float) for c in ("open", "high", "low", "close")]
        closes_s = close_times(frame["date"], timeframe_s)
        return cls(closes_s - timeframe_s, closes_s, *prices)


def close_times(dates: pd.Series, timeframe_s: int) -> Ints:
    """Close times of candles, in seconds since the epoch, from their open dates (any datetime unit)."""
    utc = pd.DatetimeIndex(dates).tz_convert("UTC").as_unit("s")
    return utc.asi8.astype(np.int64) + timeframe_s


class SessionBooks(Protocol):
    """The books that a session reads as of each decision; `books.Shelf` is one."""

    @property
    def lessons(self) -> LessonBook:
        """What was taught."""
        ...

    @property
    def news(self) -> NewsBook:
        """Headlines."""
        ...


class _OwnBooks:
    """The books of a session that no shelf serves: what was taught, followed by the session itself."""

    def __init__(self, lessons: LessonBook) -> None:
        self.lessons = lessons
        self.news = NewsBook()

    def __call__(self) -> _OwnBooks:
        self.lessons = self.lessons.refreshed()
        return self


class PairSession:
    """State of one pair between calls. Not thread-safe: FreqAI predicts from one thread."""

    def __init__(
        self,
        pair: str,
        timeframe: str,
        timeframe_s: int,
        scope: str,
        settings: AgentMarketSettings,
        database: Database,
        committee: ViewSource,
        schema: ColumnSchema,
        books: Callable[[], SessionBooks] | None = None,
        can_short: bool = True,
    ) -> None:
        """
        :param committee: a `LiveCommittee` decides with the newest views known, any other one is waited for.
        :param books: asked once an `advance`; None reads lessons from `database` and no news.
        :param can_short: whether a negative depth can be traded; on spot it cannot.
        """
        self.pair = pair
        self.timeframe = timeframe
        self.timeframe_s = timeframe_s
        self.schema = schema
        self._settings = settings
        self._memory = EpisodicMemory(database, scope, pair, settings.memory)
        self._books = books or _OwnBooks(LessonBook(database, scope, settings.memory.text))
        learner = WeightLearner(schema.agents, settings.decision)
        self._calibrator = DecisionCalibrator(settings.calibration)
        self._latest = LatestViews(timedelta(seconds=timeframe_s * settings.decision.max_age_candles))
        self._chronicle = DecisionHistory()
        self._desk = CycleContext(
            scope,
            settings,
            self._memory,
            self._books().lessons,
            committee,
            self._latest,
            learner,
            self._chronicle,
            can_short=can_short,
        )
        self._nets: NetBundle | None = None
        self._live = committee if isinstance(committee, LiveCommittee) else None
        self._held: list[HeldDecision] = []
        self._walked_to_s: int | None = None

    def stands_at(self, first_close_s: int) -> bool:
        """Whether the rows that begin with this close follow directly on what the session has walked."""
        return self._walked_to_s is not None and first_close_s - self._walked_to_s == self.timeframe_s

    @property
    def started(self) -> bool:
        """Whether the session has been set to a moment in time yet."""
        return self._walked_to_s is not None

    def use(self, nets: NetBundle | None) -> None:
        """Decide by these nets from now on; the prior decides with None, or where none is in force."""
        if nets is self._nets:
            return
        self._nets = nets
        if nets is None or not nets.in_force:
            self._desk = replace(self._desk, nets=None)
            return
        from agent_market.decision.nets.inference import NetDecider  # noqa: PLC0415 - torch

        self._desk = replace(self._desk, nets=NetDecider(nets, self._settings.decision))

    def rewind(self, before: datetime) -> None:
        """Forget everything and rebuild what was decided before `before` from the store."""
        self._memory.load(before)
        episodes = self._memory.decided()
        self._held = [self._hold(episode) for episode in episodes]
        self._latest.rebuild(episodes)
        self._chronicle.restart(episodes)
        self._walked_to_s = int(before.timestamp()) - self.timeframe_s

    def resume(self, close: datetime) -> None:
        """Live: go on at the candle that closed at `close`, which the bot before may have decided on already.

        What it decided stands. Deciding again would replace a record that a trade may rest on.
        """
        self.rewind(close + timedelta(seconds=1))

    def advance(self, rows: Rows, candles: Candles) -> tuple[Episode, ...]:
        """Decide on every row that calls for it, in order, and write the result to the store.

        :param rows: rows at or after the moment the session was rewound to.
        :param candles: the pair's candles; only those closed at or before a row are read for it.
        :return: the episodes decided.
        :raises StoreFull: the decisions stand and stay queued; the next `advance` writes them.
        """
        news = self._follow_human_hands(int(rows.closes_s[0])).news
        fresh = rows.closes_s > (self._held[-1].asof_s if self._held else -1)
        volatility = _volatility_where_describable(rows.features)
        points = decision_points(
            rows.closes_s,
            rows.close,
            volatility,
            self.timeframe_s,
            self._settings.decision,
            self._last_decision(candles),
        )
        asking = [int(i) for i in points if fresh[i]]
        due = [*asking, *self._rows_with_news(fresh & np.isfinite(volatility), asking)]
        states = state_matrix(rows.features.iloc[due])
        features = _records(rows.features.iloc[due])
        context = _records(rows.context.iloc[due])
        rules = [{}] * len(due) if rows.rules is None else _records(rows.rules.iloc[due])
        decided = []
        for n, i in enumerate(due):
            asof_s = int(rows.closes_s[i])
            asof = datetime.fromtimestamp(asof_s, tz=UTC)
            self._settle(asof, candles)
            view = make_view(
                self.pair,
                self.timeframe,
                asof,
                features[n],
                context[n],
                states[n],
                rows.close[i],
                news.headlines(self.pair, asof),
            )
            quant = quant_view(rows.depths[i], rows.predictions[i], bool(rows.usable[i]), rows.test)
            desk = self._desk_for(i in asking)
            episode = run_cycle(view, quant, self._horizon, desk, rule_views(rules[n]))
            self._held.append(self._hold(episode))
            decided.append(episode)
        self._walked_to_s = int(rows.closes_s[-1])
        self._memory.flush()
        _log(self.pair, decided)
        return tuple(decided)

    def _follow_human_hands(self, first_close_s: int) -> SessionBooks:
        """Take in what people taught, corrected or forgot since the last call; the books as they are now."""
        last_s = self._held[-1].asof_s if self._held else 0
        self._memory.refresh(datetime.fromtimestamp(max(first_close_s, last_s + 1), tz=UTC))
        books = self._books()
        if books.lessons is not self._desk.lessons:
            self._desk = replace(self._desk, lessons=books.lessons)
        return books

    def columns(self, closes_s: Ints) -> pd.DataFrame:
        """What holds at each of the given candle closes; see `pipeline.columns`."""
        max_age = self._settings.decision.max_age_candles
        frame = self.schema.frame(closes_s, self._held, self.timeframe_s, max_age)
        recent = recent_correlations(
            self._memory.decided(),
            self._memory.settled(datetime.fromtimestamp(int(closes_s[-1]), tz=UTC)),
            self.schema.agents,
            self._settings.decision,
            closes_s,
        )
        held = (frame["decision_time"] > 0).to_numpy()
        return frame.assign(**dict(zip(CORRELATIONS, recent.T * held, strict=True)))

    def _rows_with_news(self, eligible: npt.NDArray[np.bool_], asking: list[int]) -> list[int]:
        """Live: the newest row, if answers came in that no decision has taken yet and none is due on it."""
        last = len(eligible) - 1
        if self._live is None or last in asking or not eligible[last] or not self._live.has_news(self.pair):
            return []
        return [last]

    def _desk_for(self, asks: bool) -> CycleContext:
        if asks or self._live is None:
            return self._desk
        return replace(self._desk, committee=self._live.listening())

    @property
    def _horizon(self) -> timedelta:
        return timedelta(seconds=self.timeframe_s * self._settings.decision.horizon_candles)

    def _hold(self, episode: Episode) -> HeldDecision:
        known = self._calibrator.at(self._memory.settled(episode.view.asof))
        return self.schema.row(
            episode,
            self._risk_scale(episode, +1),
            self._risk_scale(episode, -1),
            known.confidence(episode.decision.confidence),
            known.usable,
        )

    def _risk_scale(self, episode: Episode, side: int) -> float:
        """What risk leaves of this decision's depth, had it been on `side`."""
        size = abs(episode.decision.depth)
        if size == 0.0:
            return 1.0
        decision = replace(episode.decision, depth=side * size)
        threshold = self._settings.decision.hold_threshold
        return limit_depth(decision, episode.view, self._settings.risk, threshold).depth / (side * size)

    def _last_decision(self, candles: Candles) -> LastDecision | None:
        if not self._held:
            return None
        asof_s = self._held[-1].asof_s
        i = int(np.searchsorted(candles.closes_s, asof_s, side="right")) - 1
        return LastDecision(asof_s, float(candles.close[i])) if i >= 0 else None

    def _settle(self, asof: datetime, candles: Candles) -> None:
        """Write the outcome of each decision on such candles whose horizon has passed by `asof`."""
        for episode in self._memory.unsettled():
            if episode.due > asof or episode.view.timeframe != self.timeframe:
                continue
            outcome = outcome_of(
                episode,
                candles.opens_s,
                candles.open,
                candles.high,
                candles.low,
                candles.close,
                self.timeframe_s,
                self._settings.costs.round_trip,
            )
            if outcome is not None:
                self._memory.settle(episode, outcome)
        self._memory.assess(asof)


def _volatility_where_describable(features: pd.DataFrame) -> Floats:
    """Volatility, NaN where memory could not place the row: no decision is made on half a market state."""
    whole = features[list(STATE_FEATURES)].notna().all(axis=1)
    return features["volatility_24"].where(whole).to_numpy(dtype=float)


def _records(frame: pd.DataFrame) -> list[dict[str, float]]:
    names = [str(c) for c in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.to_numpy(dtype=float).tolist()]


def _log(pair: str, decided: list[Episode]) -> None:
    if not decided:
        return
    causes = Counter(f"{v.agent}: {v.abstained_reason}" for e in decided for v in e.views if v.abstains)
    logger.info("%s: %d decisions up to %s", pair, len(decided), decided[-1].view.asof)
    for cause, times in causes.most_common(5):
        logger.info("%s: %d abstentions, %s", pair, times, cause)
    carried = Counter(v.carried_reason for e in decided for v in e.views if v.carried_reason)
    for cause, times in carried.most_common(3):
        logger.info("%s: %d views carried on from earlier decisions, %s", pair, times, cause)
