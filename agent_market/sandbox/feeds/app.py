"""The feed server: RSS 2.0, JSON series and iCalendar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

import orjson
from fastapi import FastAPI, HTTPException
from fastapi.responses import Response

from agent_market.errors import SandboxError
from agent_market.sandbox.faults import FaultRegistry
from agent_market.sandbox.faults import install as install_faults
from agent_market.sandbox.feeds.items import Feed, FeedItem, served


def create_feed_app(
    feeds: Iterable[Feed], board: FaultRegistry | None = None, clock: Callable[[], float] = time.time
) -> FastAPI:
    """Serve each feed under /rss/NAME, /json/NAME and /ics/NAME: what is published at the clock's time.

    RSS has every item; JSON those with a value, as [{"time", "published", "value"}, ...] in ISO 8601; ICS
    those that take place at a time.

    :param board: faults of requests and of feeds; it also gives `/admin/faults`.
    :param clock: epoch seconds; the wall clock unless a test brings its own.
    :raises SandboxError: for two feeds of one name.
    """
    listed = list(feeds)
    by_name = {feed.name: feed for feed in listed}
    if len(by_name) < len(listed):
        raise SandboxError(f"two feeds have one name: {', '.join(sorted(feed.name for feed in listed))}")
    app = FastAPI(title="Agent Market sandbox feeds (made-up news, series and calendars)")
    if board is not None:
        install_faults(app, board)

    def items(form: str, name: str) -> list[FeedItem]:
        if name not in by_name:
            raise HTTPException(404, f"no feed {name!r}; the sandbox has {', '.join(by_name) or 'none'}")
        faults = board.feed_faults(f"/{form}/{name}") if board is not None else ()
        return served(by_name[name], clock(), faults)

    @app.get("/rss/{name}")
    def rss(name: str) -> Response:
        return Response(rss_text(name, items("rss", name)), media_type="application/rss+xml")

    @app.get("/json/{name}")
    def series(name: str) -> Response:
        rows = [
            {
                "time": iso(item.starts or item.published),
                "published": iso(item.published),
                "value": item.value,
            }
            for item in items("json", name)
            if item.value is not None
        ]
        return Response(orjson.dumps(rows), media_type="application/json")

    @app.get("/ics/{name}")
    def calendar(name: str) -> Response:
        return Response(ics_text(items("ics", name)), media_type="text/calendar")

    return app


def iso(seconds: float) -> str:
    """UTC, as 2026-01-05T12:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rss_text(name: str, items: list[FeedItem]) -> str:
    """RSS 2.0, the newest item first."""
    rows = "".join(
        f"<item><guid isPermaLink='false'>{escape(item.id)}</guid><title>{escape(item.title)}</title>"
        f"<description>{escape(item.text)}</description>"
        f"<pubDate>{format_datetime(datetime.fromtimestamp(item.published, UTC))}</pubDate></item>"
        for item in reversed(items)
    )
    head = f"<title>{escape(name)}</title><link>http://127.0.0.1/</link><description>made up</description>"
    return f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>{head}{rows}</channel></rss>'


def ics_text(items: list[FeedItem]) -> str:
    """iCalendar (RFC 5545) of the items that take place at a time; lines of at most 75 octets."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//agent-market//sandbox//EN"]
    for item in items:
        if item.starts is None:
            continue
        lines += [
            "BEGIN:VEVENT",
            f"UID:{ics_escape(item.id)}",
            f"DTSTAMP:{ics_time(item.published)}",
            f"DTSTART:{ics_time(item.starts)}",
            f"SUMMARY:{ics_escape(item.title)}",
            f"DESCRIPTION:{ics_escape(item.text)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded(line)}\r\n" for line in lines)


def ics_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def ics_escape(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return text.replace("\r", "")


def folded(line: str) -> str:
    """A content line as RFC 5545 (3.1) folds it, without cutting a character in two."""
    parts, current = [], ""
    for character in line:
        if len((current + character).encode()) > 74:
            parts.append(current)
            current = ""
        current += character
    return "\r\n ".join([*parts, current])
