"""Which market a choice opens, and both servers over one switchboard."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pandas as pd
import pytest

from agent_market.errors import SandboxError
from agent_market.sandbox.faults import FaultRegistry, ServerError
from agent_market.sandbox.market.candles import DAY, HOUR, WEEK
from agent_market.sandbox.market.clock import wall_clock
from agent_market.sandbox.session import MarketChoice, open_market, serving

START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dates = pd.date_range("2024-01-01", periods=40 * 24, freq="1h", tz="UTC")
    prices = {"open": 1.5, "high": 2.5, "low": 0.5, "close": 2.0, "volume": 60.0}
    pd.DataFrame({"date": dates, **prices}).to_feather(tmp_path / "BTC_USDT-1h.feather")
    return tmp_path


def test_files_stand_at_their_end_unless_they_are_replayed(folder: Path) -> None:
    standing = open_market(MarketChoice(data=folder))
    assert standing.now() == START + 40 * DAY
    assert open_market(MarketChoice(data=folder, end=START + DAY)).now() == START + DAY


def test_files_replayed_live_show_candles_of_this_hour(folder: Path) -> None:
    live = open_market(MarketChoice(data=folder, live=True, replay_from=START + 9 * DAY))
    now = live.now()
    assert abs(now - wall_clock()) < 5_000
    hours = live.candles("BTC/USDT", "1h", now - DAY, now + 1)
    assert hours.time[-1] == now // HOUR * HOUR
    assert 0 <= hours.volume[-1] <= 60
    first, _ = live.span("BTC/USDT")
    assert (first - START) % WEEK == 0
    assert 9 * DAY <= now - first < 9 * DAY + WEEK


def test_a_replay_cannot_start_outside_the_files(folder: Path) -> None:
    with pytest.raises(SandboxError, match="from 2024-01-01 00:00 to 2024-02-10 00:00, not at 2024-04-10"):
        open_market(MarketChoice(data=folder, live=True, replay_from=START + 100 * DAY))


def test_the_synthetic_market_stands_or_runs() -> None:
    assert open_market(MarketChoice(start=START, end=START + DAY)).now() == START + DAY
    live = open_market(MarketChoice(live=True))
    now = wall_clock()
    assert live.candles("BTC/USDT", "1m", now - HOUR, now + 60_000).time[-1] > now - 120_000


def test_exchange_and_model_share_their_faults() -> None:
    board = FaultRegistry()
    with serving(open_market(MarketChoice(start=START, end=START + DAY)), board) as endpoints:
        paths = (f"{endpoints.exchange}/api/v3/ping", f"{endpoints.model}/v1/models")
        assert [httpx.get(path).status_code for path in paths] == [200, 200]
        board.set([ServerError()])
        assert [httpx.get(path).status_code for path in paths] == [500, 500]
