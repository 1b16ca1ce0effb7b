"""A dry-run while its models fail in every way: the candle loop keeps its pace, and all heals by itself."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_dry_run import BAD, CONFIG, QUICK_STRATEGY, bot
from workspace import Workspace, make_workspace, merged

from agent_market.records import Episode
from agent_market.sandbox.endpoints import overlay
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.faults import Drop, FaultBoard, Latency, RateLimit
from agent_market.sandbox.market import LiveMarket, SyntheticSource
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running

LLM = ("aggressive", "conservative", "judge")
CANDLE_S = 60
TOLERANCE = 0.10
QUIET_CANDLES, FAULTY_CANDLES, PATIENCE_CANDLES = 4, 3, 6

CLOCKED_STRATEGY = (
    QUICK_STRATEGY
    + """
    def populate_entry_trend(self, dataframe, metadata):
        import time
        from pathlib import Path

        with (Path(self.config["user_data_dir"]) / "pace.txt").open("a") as out:
            out.write(f"{time.time()} {metadata['pair']}\\n")
        return super().populate_entry_trend(dataframe, metadata)
"""
)

FAULTY = merged(
    CONFIG,
    {
        # One training: what is measured is the loop, not the load of training on a small machine.
        "freqai": {"live_retrain_hours": 24},
        "agent_market": {"llm": {"breaker_open_s": 10.0}},
    },
)


class Pace:
    """When the strategy was asked, by pair, as it wrote it down itself."""

    def __init__(self, workspace: Workspace, process: subprocess.Popen[bytes], log: Path) -> None:
        self._file = workspace.user_data / "pace.txt"
        self._process = process
        self._log = log

    def times(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for line in self._file.read_text().splitlines() if self._file.exists() else []:
            at, pair = line.split(" ")
            found.setdefault(pair, []).append(float(at))
        return found

    def candles_since(self, start: float) -> int:
        """Candles that every pair has been through since then."""
        times = self.times()
        return min((sum(at > start for at in moments) for moments in times.values()), default=0)

    def periods(self, start: float, end: float) -> list[float]:
        """Seconds between two candles of a pair, for those that end in the span."""
        return [
            after - before
            for moments in self.times().values()
            for before, after in pairwise(moments)
            if start < after <= end
        ]

    def wait(self, enough: Callable[[], bool], seconds: float) -> float:
        deadline = time.monotonic() + seconds
        while not enough():
            text = self._log.read_text()
            assert self._process.poll() is None, text[-4000:]
            assert not [bad for bad in BAD if bad in text], text[-6000:]
            assert time.monotonic() < deadline, text[-6000:]
            time.sleep(1)
        return time.time()


def fresh_views(episodes: tuple[Episode, ...], since: float) -> list[Episode]:
    """Decisions that rest on LLM views formed after `since`, all of them."""
    moment = datetime.fromtimestamp(since, UTC)
    return [
        episode
        for episode in episodes
        if all(
            not view.abstains and view.carried_because is None and (view.asof or episode.view.asof) >= moment
            for view in episode.views
            if view.agent in LLM
        )
    ]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_candle_loop_keeps_its_pace_whatever_the_models_do(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    board = FaultBoard()
    with ExitStack() as stack:
        exchange = stack.enter_context(running(create_exchange_app(LiveMarket(SyntheticSource(seed=11)))))
        server = ExitStack()
        stack.callback(server.close)
        model = server.enter_context(running(create_model_app(board)))
        port = urlsplit(model).port
        assert port is not None
        workspace = make_workspace(tmp_path, overlay(exchange, model))
        (workspace.user_data / "strategies" / "QuickStrategy.py").write_text(CLOCKED_STRATEGY)
        (workspace.user_data / "live_data").mkdir()
        workspace.config(FAULTY)
        process = stack.enter_context(bot(workspace, log))
        pace = Pace(workspace, process, log)

        def through(candles: int) -> tuple[float, float]:
            start = time.time()
            end = pace.wait(
                lambda: pace.candles_since(start) >= candles, (candles + PATIENCE_CANDLES) * CANDLE_S
            )
            return start, end

        began = time.time()
        pace.wait(lambda: pace.candles_since(began) >= 2 and bool(fresh_views(live(workspace), began)), 600)
        quiet = through(QUIET_CANDLES)
        median = statistics.median(pace.periods(*quiet))
        assert median == pytest.approx(CANDLE_S, rel=0.05)

        spans = {}
        storms = {
            "429 storm": [RateLimit(retry_after_s=2)],
            "30 s latency": [Latency(seconds=30.0)],
            "dropped connections": [Drop(keep=0.3)],
        }
        for name, faults in storms.items():
            board.set(faults)
            spans[name] = through(FAULTY_CANDLES)
            board.clear()
        server.close()
        spans["endpoint down"] = through(FAULTY_CANDLES)
        server.enter_context(running(create_model_app(board), port))
        back = time.time()
        pace.wait(lambda: bool(fresh_views(live(workspace), back)), PATIENCE_CANDLES * CANDLE_S)
        spans["back"] = (back, time.time())

        for name, span in spans.items():
            periods = pace.periods(*span)
            assert periods or name == "back", name
            worst = max((abs(period - median) / median for period in periods), default=0.0)
            print(f"{name}: {len(periods)} periods, worst {worst:.1%} off the quiet median of {median:.1f} s")
            assert worst <= TOLERANCE, (name, periods, log.read_text()[-6000:])
        during = [e for e in live(workspace) if within(e, spans["endpoint down"])]
        assert during, "decisions went on without models"
        for episode in during:
            assert not next(v for v in episode.views if v.agent == "quant").abstains
            for view in (v for v in episode.views if v.agent in LLM):
                assert view.abstained_because or view.asof or view.carried_because
        assert "left alone, then tried every" in log.read_text()
        assert "answers again" in log.read_text()


def live(workspace: Workspace) -> tuple[Episode, ...]:
    manifests = workspace.user_data / "agent_market" / "runs"
    return workspace.episodes("live") if manifests.exists() else ()


def within(episode: Episode, span: tuple[float, float]) -> bool:
    start, end = (datetime.fromtimestamp(at, UTC) for at in span)
    return start + timedelta(seconds=CANDLE_S) < episode.view.asof <= end
