"""Books: what became known over time, asked as of a decision; the shelf holds all of a run's.

A book is immutable. Live, `ShelfHolder.refresh` replaces those that changed, in one place
(`strategy.guarded.GuardedStrategy.bot_loop_start`), so that every pair of one candle decides by the same
books. In a backtest they stay as they were opened, and their digests are part of its identity
(`runs.identity.derive_identifier`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from freqtrade.configuration import TimeRange
from freqtrade.enums import TRADE_MODES

from agent_market.agents.committee import feedback_book
from agent_market.agents.prompts.feedback import FeedbackBook
from agent_market.agents.roles import role_table
from agent_market.agents.tuning.versions import PromptBook
from agent_market.config import AgentMarketSettings, load_settings
from agent_market.errors import DataError
from agent_market.factors.features import FactorBook
from agent_market.memory.lessons import LessonBook
from agent_market.perception.context import ContextBook
from agent_market.perception.news import NewsBook
from agent_market.store.backup import file_of
from agent_market.store.database import Database, store_url
from agent_market.store.variants import EVERY_SCOPE

logger = logging.getLogger(__name__)

LIVE_SCOPE = "live"
TRAINED_ON = ("factors",)
"""Books that models are trained on: a live bot's identity holds their digests too."""

T_co = TypeVar("T_co", covariant=True)

Failed = Callable[[str, Exception], None]
"""Takes what went wrong in words, and the error."""


class Book(Protocol[T_co]):
    """What became known over time. Immutable: equal questions have equal answers for ever.

    Contract: `at(asof)` reads nothing with `known_at > asof`, so that a book from which everything later
    than `asof` is cut off gives the same answer.
    """

    def at(self, asof: datetime) -> T_co:
        """What is known at `asof`, a timezone-aware moment."""
        ...

    def refreshed(self) -> Self:
        """This book with what came in since it was read; itself if nothing did, which must be cheap to tell.

        :raises AgentMarketError: what it is read from cannot be read; this book is still whole then.
        """
        ...

    def digest(self, until: datetime | None = None) -> str:
        """Hash of everything that `at` may answer for moments up to `until` (None = any); "" = nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """The books of one run."""

    prompts: PromptBook
    context: ContextBook
    lessons: LessonBook
    feedback: FeedbackBook
    factors: FactorBook
    news: NewsBook

    def books(self) -> dict[str, Book[Any]]:
        """All books by name."""
        return {
            "prompts": self.prompts,
            "context": self.context,
            "lessons": self.lessons,
            "feedback": self.feedback,
            "factors": self.factors,
            "news": self.news,
        }

    def refreshed(self, failed: Failed) -> Shelf:
        """The shelf with each book refreshed; itself if nothing changed.

        A book that cannot be read stays as it was last read whole.

        :param failed: called for each such book.
        """
        changed: dict[str, Any] = {}
        for name, book in self.books().items():
            try:
                current = book.refreshed()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one book, the bot goes on
                failed(f"the book of {name} cannot be read; the last whole one stays in use", error)
                continue
            if current is not book:
                changed[name] = current
        return replace(self, **changed) if changed else self

    def digests(self, until: datetime | None = None) -> dict[str, str]:
        """Digest of each book by name; see `Book.digest`."""
        return {name: book.digest(until) for name, book in self.books().items()}


def open_shelf(
    config: Mapping[str, Any], database: Database | None = None, scope: str | None = None
) -> Shelf:
    """Open every book of a run.

    :param config: freqtrade's merged config.
    :param database: the store; None = it holds nothing yet.
    :param scope: whose lessons; None takes `memory.scope`. Promotions follow `promotion_scope`.
    :raises ConfigError: the role table or a setting of a book is wrong.
    :raises DataError: a context or news file cannot be read.
    :raises StoreError: the store cannot be read.
    """
    place = _Place.of(config, database, scope)
    return Shelf(**{name: opened(place) for name, opened in _OPENERS.items()})


def promotion_scope(settings: AgentMarketSettings, is_live: bool) -> str:
    """The scope whose promotions go before those for every scope: `memory.scope`, else "live" in a bot.

    A backtest without a name takes those for every scope alone: the name that it is given is derived from
    what it reads.
    """
    return settings.memory.scope or (LIVE_SCOPE if is_live else EVERY_SCOPE)


def shelf_digests(config: Mapping[str, Any], names: Iterable[str] | None = None) -> dict[str, str]:
    """Digest of each book as far as a run of this config may read it, for its identity.

    A backtest reads up to the end of its time range. A live bot is not retrained for what comes in, so
    its digests are empty but for those of `TRAINED_ON`. A file that cannot be read counts as empty: the
    strategy that uses it says which and why. The store is not created for this.

    :param names: only these books; None = all.
    :raises ConfigError: a setting of a book is wrong.
    :raises StoreError: the store cannot be read.
    """
    is_live = config.get("runmode") in TRADE_MODES
    wanted = tuple(_OPENERS) if names is None else tuple(names)
    digests = dict.fromkeys(wanted, "")
    read = [name for name in wanted if not is_live or name in TRAINED_ON]
    with _existing_store(config, read) as database:
        place = _Place.of(config, database, None, quiet=True)
        for name in read:
            try:
                digests[name] = _OPENERS[name](place).digest(_end(config))
            except DataError as error:
                logger.debug("the book of %s counts as empty: %s", name, error)
    return digests


class ShelfHolder:
    """Holds the shelf of a run and replaces it when books changed. Call it for the current shelf.

    Reading is safe from any thread. Files are read at once, the store from `connect` on: what only lists
    strategies, or optimises them, opens none.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """:raises AgentMarketError: as `open_shelf`."""
        self._config = config
        self._lock = threading.Lock()
        self._shelf = open_shelf(config)

    def __call__(self) -> Shelf:
        """The shelf as it is now. Take it once for a decision, not once a question."""
        return self._shelf

    def connect(self, database: Database, scope: str) -> None:
        """Read prompts and lessons from the store from now on.

        :param scope: whose decisions the run writes.
        :raises StoreError: the store cannot be read.
        """
        place = _Place.of(self._config, database, scope)
        with self._lock:
            self._shelf = replace(self._shelf, prompts=_prompts(place), lessons=_lessons(place))

    def refresh(self, failed: Failed) -> tuple[str, ...]:
        """Take up what came in since the last call; names of the books that changed.

        :param failed: called for each book that cannot be read; it stays as it is.
        """
        with self._lock:
            before = self._shelf
            self._shelf = before.refreshed(failed)
            if self._shelf is before:
                return ()
            held, now = before.books(), self._shelf.books()
            return tuple(name for name in held if held[name] is not now[name])

    def __getstate__(self) -> dict[str, Any]:
        """For the worker processes of hyperopt: without lock and store, which they do not use."""
        held = self._shelf
        prompts = replace(held.prompts, source=None)
        lessons = LessonBook(None, EVERY_SCOPE, load_settings(self._config).memory.text)
        return {"_config": self._config, "_shelf": replace(held, prompts=prompts, lessons=lessons)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the books of one run are read from. `quiet`: what is left out of them is not logged."""

    config: Mapping[str, Any]
    settings: AgentMarketSettings
    user_data: Path
    database: Database | None
    scope: str
    is_live: bool
    quiet: bool

    @classmethod
    def of(
        cls, config: Mapping[str, Any], database: Database | None, scope: str | None, quiet: bool = False
    ) -> _Place:
        settings = load_settings(config)
        return cls(
            config=config,
            settings=settings,
            user_data=Path(config["user_data_dir"]),
            database=database,
            scope=settings.memory.scope or EVERY_SCOPE if scope is None else scope,
            is_live=config.get("runmode") in TRADE_MODES,
            quiet=quiet,
        )


def _prompts(place: _Place) -> PromptBook:
    roles = role_table(place.settings.agents)
    if place.database is None:
        return PromptBook((tuple(roles),))
    scope = promotion_scope(place.settings, place.is_live)
    return PromptBook.read(roles, place.database, place.settings.llm, scope)


def _context(place: _Place) -> ContextBook:
    return ContextBook.load(place.settings.perception.context, place.user_data)


def _lessons(place: _Place) -> LessonBook:
    return LessonBook(place.database, place.scope, place.settings.memory.text)


def _feedback(place: _Place) -> FeedbackBook:
    return feedback_book(place.settings, place.user_data)


def _factors(place: _Place) -> FactorBook:
    return FactorBook.of(place.config, quiet=place.quiet)


def _news(place: _Place) -> NewsBook:
    return NewsBook.load(place.settings.perception.news, place.user_data, place.settings.agents.headlines)


_OPENERS: dict[str, Callable[[_Place], Any]] = {
    "prompts": _prompts,
    "context": _context,
    "lessons": _lessons,
    "feedback": _feedback,
    "factors": _factors,
    "news": _news,
}


@contextmanager
def _existing_store(config: Mapping[str, Any], names: Iterable[str]) -> Iterator[Database | None]:
    """The store of a config, if a book is read from it and it is there."""
    if not {"prompts", "lessons"} & set(names):
        yield None
        return
    url = store_url(load_settings(config).store.url, Path(config["user_data_dir"]))
    if url.startswith("sqlite") and not file_of(url).is_file():
        yield None
        return
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def _end(config: Mapping[str, Any]) -> datetime | None:
    """The end of the time range; None where it is open."""
    ends = TimeRange.parse_timerange(str(config.get("timerange") or "")).stopts
    return datetime.fromtimestamp(ends, UTC) if ends else None
