"""Books: nothing later than a moment changes what was known then; live they follow, and survive a failure."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from freqtrade.enums import RunMode

from agent_market.agents.committee import Committee
from agent_market.agents.prompts.feedback import FeedbackBook, FeedbackEntry
from agent_market.agents.roles import ROLES
from agent_market.agents.tuning import versions
from agent_market.agents.tuning.versions import PromptBook, prompt_version, version_of
from agent_market.books import Shelf, ShelfHolder, open_shelf, promotion_scope, shelf_digests
from agent_market.config import ContextSeries, LLMSettings, TextSettings, load_settings
from agent_market.errors import StoreError
from agent_market.factors.features import FactorBook
from agent_market.memory.bitemporal import Times
from agent_market.memory.lessons import LessonBook
from agent_market.memory.note_store import AuditEntry, NoteStore
from agent_market.memory.notes import Note
from agent_market.perception.context import ContextBook, DatedSeries
from agent_market.perception.news import NewsBook, NewsItem
from agent_market.records import Recall
from agent_market.store.database import Database
from agent_market.store.prompts import Promotion, StoredPrompt, promote, roll_back
from tests.helpers.episode_makers import a_view
from tests.helpers.factor_files import put_in_force
from tests.helpers.scripted_agents import ScriptedAgents

WORLDS = 50
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
SPAN_H = 200
LLM = LLMSettings(model="m")
TEXT = TextSettings(lessons=2)
WORDS = ("calm", "wild", "chop", "trend", "spread", "volume", "loss", "gain", "funding", "patience", "fee")
SERIES = ContextSeries(name="mood", path=Path("mood.csv"), value_column="v", time_column="t")
_US = 1_000_000


def hour(number: int) -> datetime:
    return ORIGIN + timedelta(hours=int(number))


# --- cutting the future off ----------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Everything that happened, of which each book shows what was known."""

    promotions: tuple[Promotion, ...]
    times: np.ndarray
    values: np.ndarray
    notes: tuple[Note, ...]
    pins: Mapping[str, Sequence[tuple[int, bool]]]
    feedback: tuple[FeedbackEntry, ...]
    news: tuple[NewsItem, ...]

    @classmethod
    def random(cls, seed: int) -> World:
        rng = np.random.default_rng(seed)
        notes = _notes(rng)
        return cls(
            promotions=_promotions(rng),
            times=np.unique(rng.integers(0, SPAN_H, 12)),
            values=rng.normal(size=12),
            notes=notes,
            pins=_pins(rng, notes),
            feedback=tuple(
                FeedbackEntry(known_at=hour(rng.integers(SPAN_H)), round=n, lines=(f"line {n}",))
                for n in range(6)
            ),
            news=tuple(
                NewsItem(
                    known_at=hour(rng.integers(SPAN_H)), title=f"title {n % 7}", assets=("BTC",) * (n % 2)
                )
                for n in range(15)
            ),
        )

    def until(self, now: datetime) -> World:
        """The same world in which nothing happened after `now` yet."""
        second = int(now.timestamp())
        known = self.times <= (now - ORIGIN).total_seconds() / 3600
        pins = {name: [entry for entry in log if entry[0] <= second] for name, log in self.pins.items()}
        return World(
            promotions=tuple(_as_of(p, now) for p in self.promotions if p.known_at <= now),
            times=self.times[known],
            values=self.values[: len(self.times)][known],
            notes=tuple(self._note(n, now) for n in self.notes if n.times.known <= now),
            pins={name: log for name, log in pins.items() if log},
            feedback=tuple(entry for entry in self.feedback if entry.known_at <= now),
            news=tuple(item for item in self.news if item.known_at <= now),
        )

    def _note(self, note: Note, now: datetime) -> Note:
        """As it stood: not corrected yet, and pinned as the log had it."""
        log = self.pins.get(note.id, ())
        if log and not [entry for entry in log if entry[0] <= now.timestamp()]:
            note = replace(note, pinned=not log[0][1])
        ended = note.times.invalid_from
        return replace(
            note, times=replace(note.times, invalid_from=ended if ended and ended <= now else None)
        )

    def shelf(self) -> Shelf:
        series = DatedSeries(
            spec=SERIES,
            path=Path("mood.csv"),
            file_state=(0, 0),
            known_at=np.array([int(hour(t).timestamp()) * _US for t in self.times], dtype=np.int64),
            values=self.values[: len(self.times)],
            max_age=40 * 3600 * _US,
            user_data=Path(),
        )
        return Shelf(
            prompts=PromptBook.of(ROLES, self.promotions, LLM, "flow"),
            context=ContextBook((series,)),
            lessons=LessonBook.of(self.notes, "test", TEXT, self.pins),
            feedback=FeedbackBook.of(self.feedback, 2),
            factors=FactorBook(),
            news=NewsBook.of(self.news, timedelta(hours=30), 3),
        )


def _promotions(rng: np.random.Generator) -> tuple[Promotion, ...]:
    """Chains for two roles and two scopes, some withdrawn later."""
    made, before = [], {r.name: version_of(r) or "" for r in ROLES}
    for number, at in enumerate(sorted(rng.integers(0, SPAN_H, 6))):
        role = ("aggressive", "judge")[int(rng.integers(2))]
        texts = {"belief": f"Look {rng.integers(4)}.", "decision": "Decide."}
        prompt = StoredPrompt(prompt_version(role, texts), role, texts, before[role])
        ends = hour(at + 1 + rng.integers(90)) if rng.integers(3) == 0 else None
        scope = ("", "flow", "other")[int(rng.integers(3))]
        made.append(Promotion(number, prompt, before[role], hour(at), {"model": "m"}, ends, ends, "", scope))
        if rng.integers(2):
            before[role] = prompt.version
    return tuple(made)


def _as_of(promotion: Promotion, now: datetime) -> Promotion:
    if promotion.withdrawn_at is None or promotion.withdrawn_at <= now:
        return promotion
    return replace(promotion, withdrawn_at=None, withdrawn_from=None)


def _notes(rng: np.random.Generator) -> tuple[Note, ...]:
    made = {}
    for _ in range(8):
        known = hour(rng.integers(SPAN_H))
        ended = known + timedelta(hours=int(rng.integers(1, 99))) if rng.integers(3) == 0 else None
        text = " ".join(rng.choice(WORDS, 5, replace=False))
        note = Note(text, "ann", Times(known, known, known, ended), pinned=bool(rng.integers(2)))
        made[note.id] = note
    return tuple(made.values())


def _pins(rng: np.random.Generator, notes: Sequence[Note]) -> dict[str, list[tuple[int, bool]]]:
    """Pinned or no longer, once, after the note was known; `Note.pinned` is how it is now."""
    return {
        note.id: [(int(note.times.known.timestamp()) + 3600 * int(rng.integers(1, 80)), note.pinned)]
        for note in notes
        if rng.integers(2)
    }


@pytest.mark.parametrize("moments", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_cutting_the_future_off_at_random_moments_changes_nothing_that_any_book_said(
    moments: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)  # each book names the promotions that do not apply
    rng = np.random.default_rng(5)
    changed, held = 0, 0
    for seed in range(WORLDS):
        world = World.random(seed)
        whole = world.shelf()
        everything = whole.digests()
        for n, number in enumerate(rng.integers(-5, SPAN_H + 5, moments // WORLDS)):
            asof = hour(number)
            past = world.until(asof).shelf()
            for name, book in whole.books().items():
                assert book.at(asof) == past.books()[name].at(asof), (seed, asof, name)
            known = past.digests()
            assert whole.digests(asof) == known, (seed, asof)
            pair = ("BTC/USDT", "ETH/USDT")[n % 2]
            assert whole.news.headlines(pair, asof) == past.news.headlines(pair, asof)
            if n % 8 == 0:
                view = a_view(int(number))
                assert whole.lessons.about(view) == past.lessons.about(view), (seed, asof)
            changed += known != everything
            held += any(known.values())
    # The cuts were felt: most leave something, and take something away.
    assert min(changed, held) > moments / 2


def test_factors_mined_after_a_run_began_change_none_of_its_columns(tmp_path: Path) -> None:
    config = {"user_data_dir": tmp_path, "timeframe": "1h", "timerange": "20240601-20240801"}
    start = datetime(2024, 6, 1, tzinfo=UTC)
    put_in_force(tmp_path, ["ts_mean(close, 20) / close"], start)
    book = FactorBook.of(config)
    assert book.at(start)
    put_in_force(tmp_path, ["ts_std(close, 20) / close"], start + timedelta(seconds=1))
    assert FactorBook.of(config).at(start) == {}
    assert book.refreshed() is book


# --- live: following, and failing -----------------------------------------------------------------------

TEXTS = {"belief": "Follow volume.", "decision": "Decide."}
OWN = version_of(next(role for role in ROLES if role.name == "aggressive")) or ""
TUNED = StoredPrompt(prompt_version("aggressive", TEXTS), "aggressive", TEXTS, OWN)
NEWS_LINE = '{"known_at": "2024-03-01T09:30:00Z", "title": "Rates rise"}\n'
MARCH = datetime(2024, 3, 1, 12, tzinfo=UTC)
ADVICE = "Patience pays in calm markets"
FEEDBACK_LINE = '{"known_at": "2024-03-01T00:00:00Z", "round": 1, "lines": ["a"]}\n'


def config(folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "news.jsonl").write_text(NEWS_LINE)
    (folder / "mood.csv").write_text("t,v\n2024-01-01,5\n")
    return {
        "user_data_dir": folder,
        "timeframe": "1h",
        "runmode": RunMode.DRY_RUN,
        "agent_market": {
            "llm": {"model": "heuristic", "base_url": "http://127.0.0.1:1/v1"},
            "agents": {"feedback_file": "feedback.jsonl"},
            "perception": {
                "context": [{"name": "mood", "path": "mood.csv", "value_column": "v", "time_column": "t"}],
                "news": {"files": ["news.jsonl"]},
            },
        },
        **more,
    }


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/agent_market.sqlite")


def put(store: Database, scope: str = "") -> None:
    promote(store, TUNED, OWN, MARCH, {"model": "heuristic"}, scope)


def told(shelf: Shelf, asof: datetime = MARCH) -> str | None:
    return next(version_of(role) for role in shelf.prompts.at(asof) if role.name == "aggressive")


class Told:
    """Takes what could not be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, what: str, error: Exception) -> None:
        self.lines.append(f"{what}: {error!r}")


def test_a_refresh_takes_up_what_changed_and_nothing_else(tmp_path: Path, store: Database) -> None:
    holder, failed = ShelfHolder(config(tmp_path)), Told()
    assert told(holder()) == OWN
    holder.connect(store, "live")
    before = holder()
    assert holder.refresh(failed) == ()
    assert holder() is before
    put(store)
    assert holder.refresh(failed) == ("prompts",)
    assert (told(holder()), told(before)) == (TUNED.version, OWN)
    NoteStore(store).teach(Note(ADVICE, "ann", Times(MARCH, MARCH, MARCH)), AuditEntry("ann", MARCH))
    with (tmp_path / "news.jsonl").open("a") as news:
        news.write(NEWS_LINE.replace("rise", "fall"))
    (tmp_path / "feedback.jsonl").write_text(FEEDBACK_LINE)
    assert holder.refresh(failed) == ("lessons", "feedback", "news")
    assert holder().feedback.at(MARCH) == ("a",)
    assert [note.text for note in holder().lessons.at(MARCH)] == [ADVICE]
    roll_back(store, "aggressive")
    assert holder.refresh(failed) == ("prompts",)
    assert told(holder()) == OWN
    assert failed.lines == []


def test_a_committee_decides_by_the_books_as_they_are_then(tmp_path: Path, store: Database) -> None:
    holder = ShelfHolder(config(tmp_path))
    holder.connect(store, "live")
    agents = ScriptedAgents()
    committee = Committee(ROLES, agents, books=holder)

    def asked(hours: int) -> str | None:
        view = replace(a_view(0), asof=MARCH + timedelta(hours=hours))
        views = committee.ask(view, Recall(view.asof), {})
        return next(view.prompt for view in views if view.agent == "aggressive")

    assert asked(0) == OWN
    put(store)
    assert asked(0) == OWN, "the shelf is refreshed in the bot's loop, not in the middle of a decision"
    holder.refresh(Told())
    assert (asked(-1), asked(0)) == (OWN, TUNED.version)
    assert "Follow volume." in agents.asked[-3].form.system
    roll_back(store, "aggressive", since=MARCH + timedelta(hours=5))
    holder.refresh(Told())
    assert (asked(4), asked(5)) == (TUNED.version, OWN)


def test_a_withdrawal_from_a_moment_on_leaves_the_decisions_before_it_alone(
    tmp_path: Path, store: Database
) -> None:
    put(store)
    later = MARCH + timedelta(days=3)
    roll_back(store, "aggressive", since=later)
    shelf = open_shelf(config(tmp_path), store)
    assert told(shelf, MARCH - timedelta(seconds=1)) == OWN
    assert told(shelf, MARCH) == told(shelf, later - timedelta(seconds=1)) == TUNED.version
    assert told(shelf, later) == OWN


def test_a_bots_own_scope_goes_before_every_scope_and_others_do_not_count(
    tmp_path: Path, store: Database
) -> None:
    texts = {"belief": "Follow nothing.", "decision": "Decide."}
    other = StoredPrompt(prompt_version("aggressive", texts), "aggressive", texts, OWN)
    put(store, "live")
    promote(store, other, OWN, MARCH + timedelta(days=1), {"model": "heuristic"})
    late = MARCH + timedelta(days=2)
    assert told(open_shelf(config(tmp_path), store), late) == TUNED.version
    backtest = config(tmp_path, runmode=RunMode.BACKTEST)
    assert told(open_shelf(backtest, store), late) == other.version
    named = config(tmp_path, runmode=RunMode.BACKTEST)
    named["agent_market"]["memory"] = {"scope": "live"}
    assert told(open_shelf(named, store), late) == TUNED.version
    assert promotion_scope(load_settings(named), is_live=True) == "live"


def test_a_book_that_cannot_be_read_stays_whole_and_is_reported_and_the_others_follow(
    tmp_path: Path, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, failed = ShelfHolder(config(tmp_path)), Told()
    holder.connect(store, "live")
    whole = holder()
    put(store)
    (tmp_path / "news.jsonl").write_text("damaged\n" + NEWS_LINE)
    (tmp_path / "mood.csv").write_text("t,v\n2024-01-01,5\n2024-01-02,7\n")

    def locked(*_: object, **__: object) -> None:
        raise StoreError("the database is locked")

    with monkeypatch.context() as while_locked:
        while_locked.setattr(versions, "promotions_in", locked)
        assert holder.refresh(failed) == ("context",)
    assert holder().prompts is whole.prompts
    assert holder().news is whole.news
    assert [line.split(" ")[3] for line in failed.lines] == ["prompts", "news"]
    assert "database is locked" in failed.lines[0]
    (tmp_path / "news.jsonl").write_text(NEWS_LINE)
    assert set(holder.refresh(failed)) == {"prompts", "news"}
    assert told(holder()) == TUNED.version


def test_a_holder_travels_to_the_workers_of_hyperopt_without_its_store(
    tmp_path: Path, store: Database
) -> None:
    put(store)
    holder = ShelfHolder(config(tmp_path))
    holder.connect(store, "live")
    copy = pickle.loads(pickle.dumps(holder))
    assert told(copy()) == TUNED.version
    assert copy().context.digest() == holder().context.digest() != ""
    assert copy.refresh(Told()) == ()


def test_a_refresh_of_unchanged_books_is_a_matter_of_milliseconds(tmp_path: Path, store: Database) -> None:
    for number in range(200):
        put(store, f"scope {number}")
    holder = ShelfHolder(config(tmp_path))
    holder.connect(store, "live")
    spent = []
    for _ in range(50):
        started = time.thread_time()
        assert holder.refresh(Told()) == ()
        spent.append(time.thread_time() - started)
    # CPU time of this thread at its best, so that a busy machine does not fail it; typically under 1 ms.
    assert min(spent) < 0.01


# --- identity -------------------------------------------------------------------------------------------


def test_every_book_is_a_part_of_a_backtests_identity_up_to_its_end(tmp_path: Path, store: Database) -> None:
    run = config(tmp_path, runmode=RunMode.BACKTEST, timerange="20240301-20240601")
    plain = shelf_digests(run)
    assert set(plain) == {"prompts", "context", "lessons", "feedback", "factors", "news"}
    assert {name for name, digest in plain.items() if digest} == {"context", "news"}
    known = '{"known_at": "%s", "title": "t", "round": 1, "lines": ["a"]}\n'
    for month, counts in (("2024-08", False), ("2024-04", True)):
        moment = f"{month}-01T00:00:00Z"
        at = datetime.fromisoformat(moment)
        promote(store, TUNED, OWN, at, {"model": "heuristic"})
        NoteStore(store).teach(
            Note(f"Patience pays in {month}", "ann", Times(at, at, at)), AuditEntry("ann", at)
        )
        (tmp_path / "feedback.jsonl").write_text(known % moment)
        (tmp_path / "news.jsonl").write_text(NEWS_LINE + known % moment)
        (tmp_path / "mood.csv").write_text(f"t,v\n2024-01-01,5\n{month}-01,7\n")
        now = shelf_digests(run)
        changed = {name for name in plain if now[name] != plain[name]}
        assert changed == ({"prompts", "context", "lessons", "feedback", "news"} if counts else set())
    live = shelf_digests({**run, "runmode": RunMode.DRY_RUN})
    assert set(live.values()) == {""}


def test_a_file_that_cannot_be_read_counts_as_empty_and_no_store_is_made(tmp_path: Path) -> None:
    run = config(tmp_path, runmode=RunMode.BACKTEST)
    (tmp_path / "news.jsonl").write_text("damaged\n")
    (tmp_path / "mood.csv").unlink()
    assert set(shelf_digests(run).values()) == {""}
    assert not (tmp_path / "agent_market.sqlite").exists()
