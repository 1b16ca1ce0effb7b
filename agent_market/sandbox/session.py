"""One sandbox from start to end: which market, which faults, and both servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_market.errors import SandboxError
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.faults import FaultRegistry
from agent_market.sandbox.market import (
    FeatherSource,
    LiveMarket,
    Market,
    Source,
    StandingMarket,
    SyntheticSource,
)
from agent_market.sandbox.market.candles import utc
from agent_market.sandbox.market.clock import replay_shift, wall_clock
from agent_market.sandbox.market.feather import FOREVER
from agent_market.sandbox.market.synthetic import DEFAULT_PAIRS, EPOCH, HORIZON
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running

_LIVE_FROM = 0.75


@dataclass(frozen=True, slots=True)
class MarketChoice:
    """Which market the sandbox serves. Times in milliseconds since the epoch; None means all there is.

    `data` is a folder of feather files, None the synthetic market. Live, a feather market is shifted by
    whole weeks so that its clock starts at `replay_from` or up to a week after it (None: after three
    quarters of the data), and the synthetic market runs on past `end`.
    """

    data: Path | None = None
    seed: int = 7
    pairs: tuple[str, ...] | None = None
    start: int | None = None
    end: int | None = None
    live: bool = False
    replay_from: int | None = None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base URLs of the two servers."""

    exchange: str
    model: str


def open_market(choice: MarketChoice) -> Market:
    """The market of a choice.

    :raises SandboxError: pairs or dates that it does not have.
    :raises DataError: no candle files, or a bad one.
    """
    if choice.data is None:
        last = HORIZON if choice.live or choice.end is None else choice.end
        first = EPOCH if choice.start is None else choice.start
        source: Source = SyntheticSource(choice.seed, choice.pairs or DEFAULT_PAIRS, first, last)
        return LiveMarket(source) if choice.live else StandingMarket(source)
    last = FOREVER if choice.end is None else choice.end
    source = FeatherSource(choice.data, choice.pairs, choice.start or 0, last)
    return _replayed(source, choice.replay_from) if choice.live else StandingMarket(source)


@contextmanager
def serving(
    market: Market, board: FaultRegistry, exchange_port: int = 0, model_port: int = 0
) -> Iterator[Endpoints]:
    """Both servers up over one fault board; port 0 takes a free one."""
    with ExitStack() as stack:
        exchange = stack.enter_context(running(create_exchange_app(market, board), exchange_port))
        model = stack.enter_context(running(create_model_app(board), model_port))
        yield Endpoints(exchange, model)


def _replayed(source: Source, replay_from: int | None) -> LiveMarket:
    first = max(source.span(pair)[0] for pair in source.pairs)
    last = min(source.span(pair)[1] for pair in source.pairs)
    if replay_from is None:
        replay_from = first + int((last - first) * _LIVE_FROM)
    if not first <= replay_from < last:
        raise SandboxError(f"a replay can start from {utc(first)} to {utc(last)}, not at {utc(replay_from)}")
    return LiveMarket(source, replay_shift(replay_from, wall_clock()))
