"""Without money agents go on with their last views, then without models; live, nobody waits for a model."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from agent_market.agents.committee import Committee
from agent_market.agents.roles import role_table
from agent_market.config import AgentMarketSettings, DecisionSettings, LiveSettings, MemorySettings
from agent_market.errors import BudgetExhausted
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.sources import Reply
from agent_market.llm.decision_context import current_context
from agent_market.pipeline.columns import ColumnSchema
from agent_market.pipeline.live_committee import BackgroundCommittee, LiveCommittee
from agent_market.pipeline.session import PairSession
from agent_market.records import AgentView, Episode
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from tests.helpers.scripted import (
    HOUR,
    PAIR,
    ScriptedAnswers,
    candle_arrays,
    make_session,
    part,
    random_candles,
    rows_of,
)

HOURS, FIRST = 560, 450
MAX_AGE = 12
LLM = ("aggressive", "conservative", "judge")
SETTINGS = AgentMarketSettings(
    decision=DecisionSettings(
        cadence_candles=6, horizon_candles=4, gate_min_candles=5, gate_move=100.0, max_age_candles=MAX_AGE
    ),
    memory=MemorySettings(k=4, k_max=6, min_neighbours=3),
)


class Purse(ScriptedAnswers):
    """Pays for a question only where its prompt says so, by a fixed rule: a cap reached now and then."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def is_tight(self, decision: str) -> bool:
        return True

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._paid(request) for request in requests]

    def _paid(self, request: Request) -> Reply:
        digest = hashlib.sha256(f"money {request.user}".encode()).digest()
        if digest[0] / 256 < self._share:
            current_context().charge(1, 900, 100, 5)
            return self._reply(request)
        current_context().mark_skipped(request.role, "the day's cap is reached")
        return BudgetExhausted("the day's cap is reached")


class PaidOnce(Purse):
    """Pays for the first `calls` questions."""

    def __init__(self, calls: int) -> None:
        super().__init__(1.0)
        self._left = calls

    def _paid(self, request: Request) -> Reply:
        self._left -= 1
        self._share = 1.0 if self._left >= 0 else 0.0
        return super()._paid(request)


def walk(answers: ScriptedAnswers, cuts: Sequence[int] = ()) -> tuple[Episode, ...]:
    candles = random_candles(3, HOURS)
    rows, arrays = rows_of(candles), candle_arrays(candles)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/s.sqlite")
        session = make_session(database, SETTINGS, answers=answers)
        for start, stop in itertools.pairwise([FIRST, *cuts, HOURS]):
            window = part(rows, start, stop)
            session.rewind(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
            session.advance(window, arrays)
        episodes = episodes_of(database, "test")
        database.close()
    return episodes


def llm_views(episode: Episode) -> list[AgentView]:
    return [view for view in episode.views if view.agent in LLM]


def test_at_the_cap_last_views_are_carried_on_then_the_quant_decides_alone_and_it_is_said() -> None:
    episodes = walk(PaidOnce(calls=9))
    paid, later = episodes[:3], episodes[3:]
    assert all(view.asof is None and not view.abstains for e in paid for view in llm_views(e))
    assert [e.usage.calls for e in episodes[:4]] == [3, 3, 3, 0]
    last = paid[-1].view.asof
    carried = [e for e in later if e.view.asof - last <= timedelta(hours=MAX_AGE)]
    alone = later[len(carried) :]
    assert len(carried) == 2
    assert len(alone) > 5
    for episode in carried:
        for now, then in zip(llm_views(episode), llm_views(paid[-1]), strict=True):
            assert (now.depth, now.confidence, now.belief) == (then.depth, then.confidence, then.belief)
            assert now.asof == last
            assert now.carried_reason == "the day's cap is reached"
            assert episode.decision.weights[now.agent] > 0
    for episode in alone:
        assert all("BudgetExhausted" in (view.abstained_reason or "") for view in llm_views(episode))
        quant = next(view for view in episode.views if view.agent == "quant")
        assert not quant.abstains
        assert sum(episode.decision.weights[name] for name in LLM) == 0.0


@pytest.mark.parametrize("cuts", [(455,), (480, 481, 500), tuple(range(460, 560, 7))])
def test_carried_views_are_the_same_however_the_run_is_cut(cuts: tuple[int, ...]) -> None:
    whole = walk(Purse(0.4))
    assert any(view.carried_reason for e in whole for view in e.views)
    assert walk(Purse(0.4), cuts) == whole


def test_the_bill_is_kept_with_the_decision() -> None:
    (first, *_) = walk(PaidOnce(calls=3))
    assert (first.usage.calls, first.usage.prompt_tokens, first.usage.completion_tokens) == (3, 2700, 300)
    assert first.usage.cost == pytest.approx(15e-9)


# --- live -----------------------------------------------------------------------------------------------


class Gated(ScriptedAnswers):
    """Answers only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def is_tight(self, decision: str) -> bool:
        return True

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        assert self.gate.wait(10)
        return super().ask(requests)


class LiveBot:
    """A live session that is handed one candle after another, as freqtrade does."""

    def __init__(self, folder: str, wait_s: float = 0.0) -> None:
        self.answers = Gated()
        self.database = Database(f"sqlite:///{folder}/s.sqlite")
        roles = role_table(SETTINGS.agents)
        committee = Committee(roles, self.answers)
        self.background = BackgroundCommittee(committee, LiveSettings(wait_s=wait_s), 10.0)
        seat = LiveCommittee(committee.roles, self.background, wait_s, timedelta(hours=MAX_AGE))
        schema = ColumnSchema(tuple(role.name for role in roles), SETTINGS.memory.k_max)
        self.session = PairSession(PAIR, "1h", HOUR, "live", SETTINGS, self.database, seat, schema)
        candles = random_candles(3, HOURS)
        self._rows, self._arrays = rows_of(candles), candle_arrays(candles)

    def candle(self, number: int) -> Episode | None:
        window = part(self._rows, 0, number + 1).last()
        if not self.session.started:
            self.session.resume(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
        decided = self.session.advance(window, self._arrays)
        return decided[0] if decided else None

    def until_news(self) -> None:
        deadline = time.monotonic() + 10
        while not self.background.has_news(PAIR):
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def close(self) -> None:
        self.answers.gate.set()
        self.background.close()
        self.database.close()


def test_live_decides_at_once_and_again_on_the_candle_after_the_answers(tmp_path: object) -> None:
    bot = LiveBot(str(tmp_path))
    decided = {n: bot.candle(n) for n in range(450, 456)}
    (at,) = [n for n, episode in decided.items() if episode is not None]
    first = decided[at]
    assert first is not None
    assert all("no answer is here yet" in (view.abstained_reason or "") for view in llm_views(first))
    assert not next(view for view in first.views if view.agent == "quant").abstains
    bot.answers.gate.set()
    bot.until_news()
    news = bot.candle(456)
    assert news is not None
    assert bot.answers.asked == 3, "one question, and none for the decision that takes its answers"
    for view in llm_views(news):
        assert not view.abstains
        assert view.asof == first.view.asof < news.view.asof
    assert news.usage.calls == 0, "scripted answers send no bill"
    bot.close()


def test_live_a_silent_endpoint_holds_no_candle_up_and_views_age_out(tmp_path: object) -> None:
    bot = LiveBot(str(tmp_path))
    bot.answers.gate.set()
    start = next(n for n in range(450, 460) if bot.candle(n) is not None)
    bot.until_news()
    bot.candle(start + 1)
    bot.answers.gate.clear()
    slowest = 0.0
    decided = []
    for n in range(start + 2, start + 32):
        before = time.monotonic()
        decided.append(bot.candle(n))
        slowest = max(slowest, time.monotonic() - before)
    episodes = [episode for episode in decided if episode is not None]
    assert len(episodes) == 5
    assert slowest < 1.0
    formed = episodes_of(bot.database, "live")[0].view.asof
    for episode in episodes:
        is_young = episode.view.asof - formed <= timedelta(hours=MAX_AGE)
        for view in llm_views(episode):
            assert view.abstains is not is_young
            assert not is_young or view.asof == formed
    bot.close()


def test_live_a_restarted_bot_knows_its_last_views(tmp_path: object) -> None:
    bot = LiveBot(str(tmp_path))
    bot.answers.gate.set()
    start = next(n for n in range(450, 460) if bot.candle(n) is not None)
    bot.until_news()
    bot.candle(start + 1)
    bot.close()
    again = LiveBot(str(tmp_path))
    decided = [again.candle(n) for n in range(start + 2, start + 9)]
    (episode,) = [e for e in decided if e is not None]
    for view in llm_views(episode):
        assert view.depth != 0.0
        assert view.asof == episodes_of(again.database, "live")[0].view.asof
        assert "no answer is here yet" in (view.carried_reason or "")
    again.close()


def test_live_a_bot_restarted_within_a_candle_keeps_what_was_decided_on_it(tmp_path: object) -> None:
    bot = LiveBot(str(tmp_path))
    bot.answers.gate.set()
    start = next(n for n in range(450, 460) if bot.candle(n) is not None)
    bot.until_news()
    heard = bot.candle(start + 1)
    assert heard is not None
    assert not any(view.abstains for view in llm_views(heard))
    bot.close()
    again = LiveBot(str(tmp_path))  # has heard no agent yet, and would decide otherwise
    assert again.candle(start + 1) is None
    stored = episodes_of(again.database, "live")[-1]
    assert (stored.views, stored.decision) == (heard.views, heard.decision)
    closes_s = part(again._rows, 0, start + 2).last().closes_s
    held = again.session.columns(closes_s)
    assert held["decision_time"].tolist() == [heard.view.asof.timestamp()], "and goes on by it"
    again.close()


def test_live_a_small_wait_takes_fresh_views_into_the_same_candle(tmp_path: object) -> None:
    bot = LiveBot(str(tmp_path), wait_s=10.0)
    bot.answers.gate.set()
    episodes = [e for n in range(450, 475) if (e := bot.candle(n)) is not None]
    assert len(episodes) == 4
    assert all(view.asof is None and not view.abstains for e in episodes for view in llm_views(e))
    bot.close()
