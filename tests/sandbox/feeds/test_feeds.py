"""Feeds show what is published by now, in forms that others' parsers read, and lie on demand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import httpx
import pytest

from agent_market.errors import SandboxError
from agent_market.sandbox.faults import FaultRegistry, FeedFault, ServerError
from agent_market.sandbox.feeds import Feed, FeedItem, create_feed_app
from agent_market.sandbox.feeds.app import folded
from agent_market.sandbox.server import running

T0 = 1_767_225_600  # 2026-01-01
NEWS = Feed(
    "news",
    tuple(FeedItem(f"n{k}", T0 + 60 * k, f"Headline {k} <&>", "Text, long; and \\") for k in range(10)),
)
VIX = Feed("vix", tuple(FeedItem(f"v{k}", T0 + 3600 * k, "VIX", value=20.0 + k) for k in range(5)))
DATES = Feed(
    "dates", (FeedItem("d1", T0, "Rate decision, at the " + "very " * 30 + "end", starts=T0 + 86_400),)
)


class Clock:
    def __init__(self) -> None:
        self.now = float(T0)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(sandbox_board: FaultRegistry, clock: Clock) -> Iterator[httpx.Client]:
    with running(create_feed_app([NEWS, VIX, DATES], sandbox_board, clock)) as url:
        yield httpx.Client(base_url=url)


def headlines(client: httpx.Client) -> list[tuple[str, str, float]]:
    """(guid, title, published) of the RSS feed, oldest first."""
    root = ElementTree.fromstring(client.get("/rss/news").text)
    rows = []
    for item in root.iterfind("channel/item"):
        published = parsedate_to_datetime(item.findtext("pubDate", "")).timestamp()
        rows.append((item.findtext("guid", ""), item.findtext("title", ""), published))
    return rows[::-1]


def test_nothing_is_served_before_it_is_published(client: httpx.Client, clock: Clock) -> None:
    for passed, count in ((0, 1), (59, 1), (60, 2), (10_000, 10)):
        clock.now = T0 + passed
        rows = headlines(client)
        assert [row[0] for row in rows] == [f"n{k}" for k in range(count)]
        assert all(row[2] <= clock.now for row in rows)
    assert rows[3] == ("n3", "Headline 3 <&>", T0 + 180)


def test_a_series_tells_each_value_with_its_time(client: httpx.Client, clock: Clock) -> None:
    clock.now = T0 + 7200
    rows = client.get("/json/vix").json()
    assert [row["value"] for row in rows] == [20.0, 21.0, 22.0]
    assert datetime.fromisoformat(rows[1]["time"]).timestamp() == T0 + 3600


def test_a_calendar_is_folded_and_escaped_as_rfc_5545_wants_it(client: httpx.Client) -> None:
    text = client.get("/ics/dates").text
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    whole = text.replace("\r\n ", "")
    assert "DTSTART:20260102T000000Z\r\n" in whole
    assert f"SUMMARY:Rate decision\\, at the {'very ' * 30}end\r\n" in whole
    assert folded("é" * 100).replace("\r\n ", "") == "é" * 100


def test_a_late_item_comes_late_with_its_old_date(
    client: httpx.Client, clock: Clock, sandbox_board: FaultRegistry
) -> None:
    sandbox_board.add(FeedFault(style="late", seconds=300, path="/rss/news"))
    clock.now = T0 + 299
    assert headlines(client) == []
    clock.now = T0 + 300
    assert headlines(client) == [("n0", "Headline 0 <&>", T0)]
    assert len(client.get("/json/vix").json()) == 1


def test_a_duplicate_has_another_id(client: httpx.Client, sandbox_board: FaultRegistry) -> None:
    sandbox_board.add(FeedFault(style="duplicate"))
    first, second = headlines(client)
    assert first[1:] == second[1:]
    assert first[0] != second[0]


def test_a_lie_keeps_id_and_time_and_turns_the_meaning(
    client: httpx.Client, sandbox_board: FaultRegistry
) -> None:
    sandbox_board.add(FeedFault(style="lie"))
    assert headlines(client) == [("n0", "Not true: Headline 0 <&>", T0)]
    assert client.get("/json/vix").json()[0]["value"] == -20.0


def test_an_item_is_edited_after_publication_without_a_trace(
    client: httpx.Client, clock: Clock, sandbox_board: FaultRegistry
) -> None:
    sandbox_board.add(FeedFault(style="edited", seconds=50))
    clock.now = T0 + 49
    before = headlines(client)
    clock.now = T0 + 50
    after = headlines(client)
    assert before == [("n0", "Headline 0 <&>", T0)]
    assert after == [("n0", "Not true: Headline 0 <&>", T0)]


def test_a_share_strikes_some_items_and_the_same_ones_again(
    client: httpx.Client, clock: Clock, sandbox_board: FaultRegistry
) -> None:
    clock.now = T0 + 10_000
    sandbox_board.add(FeedFault(style="lie", share=0.5))
    once = headlines(client)
    assert 0 < sum(title.startswith("Not true") for _, title, _ in once) < 10
    assert headlines(client) == once
    client.delete("/admin/faults")
    assert not any(title.startswith("Not true") for _, title, _ in headlines(client))


def test_faults_of_requests_strike_feeds_too(client: httpx.Client, sandbox_board: FaultRegistry) -> None:
    sandbox_board.add(ServerError(status=503, path="/rss", count=1))
    assert client.get("/rss/news").status_code == 503
    assert client.get("/rss/news").status_code == 200


def test_an_unknown_feed_is_404_and_a_name_is_given_once(client: httpx.Client) -> None:
    answer = client.get("/rss/olds")
    assert answer.status_code == 404
    assert "news, vix, dates" in answer.json()["detail"]
    with pytest.raises(SandboxError, match="one name"):
        create_feed_app([NEWS, NEWS])
