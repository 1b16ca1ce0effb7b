"""News from files: seen from when it was known, until it is old, about the asset or the whole market."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import NewsSettings
from agent_market.errors import ConfigError, DataError
from agent_market.perception.news import NewsBook, NewsItem

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def item(hours: float, title: str = "News", *assets: str) -> NewsItem:
    return NewsItem(known_at=NOON + timedelta(hours=hours), title=title, assets=assets)


def book(*items: NewsItem, most: int = 8) -> NewsBook:
    return NewsBook.of(items, DAY, most)


def told(held: NewsBook, hours: float, pair: str = "BTC/USDT") -> list[str]:
    return [line.text for line in held.headlines(pair, NOON + timedelta(hours=hours))]


def test_an_item_is_seen_from_its_known_at_until_it_is_too_old() -> None:
    held = book(item(0, "Now"))
    assert told(held, -0.001) == []
    assert told(held, 0) == told(held, 24) == ["Now"]
    assert told(held, 24.001) == []


def test_items_come_newest_first_and_at_most_as_many_as_a_prompt_shows() -> None:
    held = book(item(2, "C"), item(0, "A"), item(1, "B"), item(1, "B"), most=2)
    assert told(held, 3) == ["C", "B"]
    assert [i.title for i in held.at(NOON + 3 * DAY / 24)] == ["C", "B", "A"]
    assert told(book(item(0), most=0), 1) == []


def test_an_item_concerns_its_assets_or_the_whole_market() -> None:
    held = book(item(0, "All"), item(1, "Both", "btc", "ETH"), item(2, "Sol", "SOL"))
    assert told(held, 3, "BTC/USDT:USDT") == ["Both", "All"]
    assert told(held, 3, "SOL/USDT") == ["Sol", "All"]
    assert told(held, 3, "XRP/USDT") == ["All"]


def write(folder: Path, text: str, name: str = "news.jsonl") -> NewsSettings:
    (folder / name).write_text(text)
    return NewsSettings(files=(Path(name),))


LINE = '{"known_at": "2024-03-01T09:30:00+02:00", "title": "Rates\\nrise", "assets": ["btc"], "id": 7}\n'


def test_json_lines_and_csv_hold_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path, 'known_at,title,assets\n2024-03-01 07:30:00,"Rates\nrise",btc\n', "news.csv")
    expected = (
        NewsItem(known_at=datetime(2024, 3, 1, 7, 30, tzinfo=UTC), title="Rates rise", assets=("BTC",)),
    )
    assert NewsBook.load(write(tmp_path, LINE), tmp_path).items == expected
    assert NewsBook.load(plain, tmp_path).items == expected
    both = NewsSettings(files=(Path("news.jsonl"), Path("news.csv")))
    assert NewsBook.load(both, tmp_path).items == expected
    assert NewsBook.load(NewsSettings(), tmp_path).at(NOON) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"known_at": "2024-03-01", "title": "A"}\n', "line 1: known_at.*date and time"),
        ('{"known_at": 1709283600, "title": "A"}\n', "line 1: known_at.*date and time"),
        ('{"title": "A"}\n', "line 1: known_at"),
        (LINE + '{"known_at": "2024-03-01T09:30:00Z", "title": ""}\n', "line 2: title"),
        ("headlines\n" + LINE, "line 1 is not a JSON object"),
        ("[]\n", "line 1: line"),
    ],
)
def test_a_line_that_is_no_item_is_named_with_file_and_number(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(DataError, match=f"news.jsonl {why}"):
        NewsBook.load(write(tmp_path, text), tmp_path)


def test_files_that_are_absent_or_of_another_kind_and_bad_ages_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.jsonl cannot be read.*perception.news"):
        NewsBook.load(NewsSettings(files=(Path("nowhere.jsonl"),)), tmp_path)
    with pytest.raises(DataError, match=r"ending '.txt'"):
        NewsBook.load(write(tmp_path, LINE, "news.txt"), tmp_path)
    with pytest.raises(DataError, match="no column title"):
        NewsBook.load(write(tmp_path, "known_at,text\n", "news.csv"), tmp_path)
    with pytest.raises(ConfigError, match="max_age = 'soon'"):
        NewsBook.load(NewsSettings(max_age="soon"), tmp_path)


def test_a_growing_file_is_read_again_and_an_unfinished_line_waits(tmp_path: Path) -> None:
    held = NewsBook.load(write(tmp_path, LINE), tmp_path)
    assert held.refreshed() is held
    second = json.dumps({"known_at": "2024-03-01T12:00:00Z", "title": "Second"})
    with (tmp_path / "news.jsonl").open("a") as file:
        file.write(second[:30])
        file.flush()
        assert held.refreshed() == held
        file.write(second[30:] + "\n")
    grown = held.refreshed()
    assert [i.title for i in grown.items] == ["Rates rise", "Second"]
    (tmp_path / "news.jsonl").write_text("damaged\n")
    with pytest.raises(DataError, match="line 1"):
        grown.refreshed()
    assert [i.title for i in grown.items] == ["Rates rise", "Second"]


@given(st.lists(st.tuples(st.integers(-60, 60), st.sampled_from("ABC")), max_size=12), st.integers(-70, 70))
def test_what_comes_in_later_changes_neither_headlines_nor_digest_of_before(
    planned: list[tuple[int, str]], now: int
) -> None:
    items = [item(hours, title) for hours, title in planned]
    asof = NOON + timedelta(hours=now)
    whole, past = book(*items), book(*(i for i in items if i.known_at <= asof))
    assert whole.at(asof) == past.at(asof)
    assert whole.digest(asof) == past.digest(asof) == past.digest()
