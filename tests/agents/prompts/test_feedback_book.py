from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.agents.prompts.feedback import FeedbackBook, FeedbackEntry
from agent_market.errors import ConfigError

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def entry(day: int, number: int = 0) -> FeedbackEntry:
    return FeedbackEntry(known_at=T0 + timedelta(days=day), round=number, lines=(f"day {day}",))


def test_feedback_is_seen_from_the_moment_it_is_known_and_not_before() -> None:
    book = FeedbackBook.of([entry(10)], shown=3)
    assert book.at(T0 + timedelta(days=10, seconds=-1)) == ()
    assert book.at(T0 + timedelta(days=10)) == ("day 10",)


def test_the_newest_entries_are_shown_oldest_first() -> None:
    book = FeedbackBook.of([entry(3), entry(1), entry(2), entry(9)], shown=2)
    assert book.at(T0 + timedelta(days=5)) == ("day 2", "day 3")
    assert FeedbackBook.of([entry(1)], shown=0).at(T0 + timedelta(days=5)) == ()


@given(st.lists(st.integers(0, 30)), st.integers(0, 30), st.integers(0, 5))
def test_cutting_the_future_off_changes_nothing(days: list[int], now: int, shown: int) -> None:
    asof = T0 + timedelta(days=now)
    whole = FeedbackBook.of(map(entry, days), shown)
    past = FeedbackBook.of([entry(day) for day in days if day <= now], shown)
    assert whole.at(asof) == past.at(asof)


def test_a_wrong_line_is_reported_with_its_number_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "feedback.jsonl"
    file.write_text(
        '{"known_at": "2024-01-02T00:00:00Z", "round": 1, "lines": ["kept"]}\n'
        "\n"
        "{not json\n"
        '{"known_at": "2024-01-02T00:00:00", "round": 1, "lines": ["no zone"]}\n'
        '{"known_at": "2024-01-03T00:00:00+00:00", "round": 2, "lines": ["kept too"], "more": 1}\n'
    )
    with caplog.at_level(logging.WARNING):
        book = FeedbackBook.load(file, shown=5)
    assert book.at(T0 + timedelta(days=9)) == ("kept", "kept too")
    assert [f"feedback.jsonl:{n} is skipped" in m for n, m in zip((3, 4), caplog.messages, strict=True)] == [
        True
    ] * 2
    assert "known_at" in caplog.messages[1]


def test_before_the_first_round_there_is_no_file_and_no_feedback(tmp_path: Path) -> None:
    assert FeedbackBook.load(tmp_path / "feedback.jsonl", shown=3).at(T0) == ()
    assert FeedbackBook.load(None, shown=3).at(T0) == ()
    (tmp_path / "empty.jsonl").touch()
    assert FeedbackBook.load(tmp_path / "empty.jsonl", shown=3).at(T0) == ()


def test_a_folder_that_does_not_exist_is_taken_for_a_typing_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="feedback_file"):
        FeedbackBook.load(tmp_path / "llm_fedback" / "feedback.jsonl", shown=3)
    with pytest.raises(ConfigError, match="cannot be read"):
        FeedbackBook.load(tmp_path, shown=3)
