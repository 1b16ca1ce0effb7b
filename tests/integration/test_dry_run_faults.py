"""Dry-runs while their models fail in every way: the candle loop keeps its pace, and all heals by itself.

One bot a fault, side by side on one exchange: freqtrade knows no candle under a minute, so that one bot that
goes through all faults in turn takes twenty minutes.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent_market.records import Episode
from agent_market.runs.manifest import FOLDER, LATEST
from agent_market.sandbox.endpoints import overlay
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.faults import Drop, FaultRegistry, Latency, RateLimit
from agent_market.sandbox.market import LiveMarket, SyntheticSource
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from tests.helpers.dry_run_bot import BAD, CONFIG, QUICK_STRATEGY, bot
from tests.helpers.workspace import Workspace, make_workspace, merged, unwrapped

LLM = ("aggressive", "conservative", "judge")
CANDLE_S = 60
TOLERANCE = 0.10
FAULTY_CANDLES, PATIENCE_CANDLES = 2, 6
START_S, PATIENCE_S = 600, 360

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
        "agent_market": {"llm": {"breaker_failures": 3, "breaker_open_s": 10.0}},
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

    def newest_periods(self) -> list[float]:
        """Seconds between the last two candles, by pair."""
        return [moments[-1] - moments[-2] for moments in self.times().values() if len(moments) > 1]

    def steady(self) -> bool:
        """Whether each pair's last two candles came a candle apart, within half of what faults may cost."""
        newest = self.newest_periods()
        return bool(newest) and all(abs(period - CANDLE_S) <= CANDLE_S * TOLERANCE / 2 for period in newest)

    def wait(self, enough: Callable[[], bool], seconds: float) -> float:
        deadline = time.monotonic() + seconds
        while not enough():
            text = unwrapped(self._log)
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
            not view.abstains and view.carried_reason is None and (view.asof or episode.view.asof) >= moment
            for view in episode.views
            if view.agent in LLM
        )
    ]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A running bot, and the switch that brings its own trouble and takes it away."""

    name: str
    workspace: Workspace
    log: Path
    pace: Pace
    begin: Callable[[], object]
    end: Callable[[], object]
    stop: Callable[[], object]


STORMS = {
    "429 storm": [RateLimit(retry_after_s=2)],
    "30 s latency": [Latency(seconds=30.0)],
    "dropped connections": [Drop(keep=0.3)],
}
DOWN = "endpoint down"


@contextmanager
def troubled(name: str, folder: Path, exchange: str) -> Iterator[Trouble]:
    """A bot with a model server of its own."""
    folder.mkdir()
    log = folder / "bot.log"
    board = FaultRegistry()
    with ExitStack() as server, ExitStack() as stack:
        model = server.enter_context(running(create_model_app(board)))
        port = urlsplit(model).port
        assert port is not None
        workspace = make_workspace(folder, overlay(exchange, model))
        (workspace.user_data / "strategies" / "QuickStrategy.py").write_text(CLOCKED_STRATEGY)
        (workspace.user_data / "live_data").mkdir()
        workspace.config(FAULTY)
        process = stack.enter_context(bot(workspace, log))
        pace = Pace(workspace, process, log)
        begin: Callable[[], object]
        end: Callable[[], object]
        if name == DOWN:
            begin = server.close
            end = lambda: server.enter_context(running(create_model_app(), port))  # noqa: E731
        else:
            begin, end = (lambda: board.set(STORMS[name])), board.clear
        yield Trouble(name, workspace, log, pace, begin, end, lambda: process.send_signal(signal.SIGTERM))


def through(bots: Sequence[Trouble], candles: int) -> tuple[float, float]:
    """The span in which every bot went through so many candles of every pair."""
    start = time.time()
    for trouble in bots:
        patience = (candles + PATIENCE_CANDLES) * CANDLE_S
        trouble.pace.wait(lambda t=trouble: t.pace.candles_since(start) >= candles, patience)  # type: ignore[misc]
    return start, time.time()


def healed(trouble: Trouble, since: float) -> None:
    """Wait until a decision rests on views formed after `since`."""
    trouble.pace.wait(
        lambda: bool(fresh_views(live(trouble.workspace), since)), START_S if since == 0 else PATIENCE_S
    )


@pytest.mark.slow
@pytest.mark.timeout(1900)
def test_the_candle_loop_keeps_its_pace_whatever_the_models_do(tmp_path: Path) -> None:
    with ExitStack() as stack:
        exchange = stack.enter_context(running(create_exchange_app(LiveMarket(SyntheticSource(seed=11)))))
        bots = [
            stack.enter_context(troubled(name, tmp_path / f"bot{number}", exchange))
            for number, name in enumerate((*STORMS, DOWN))
        ]
        for trouble in bots:
            healed(trouble, 0)
        for trouble in bots:  # the first candles pay for the training and for four starts at once
            trouble.pace.wait(trouble.pace.steady, START_S)
        median = statistics.median(period for trouble in bots for period in trouble.pace.newest_periods())

        for trouble in bots:
            trouble.begin()
        faulty = through(bots, FAULTY_CANDLES)
        for trouble in bots:
            trouble.end()
        back = time.time()
        for trouble in bots:
            healed(trouble, back)
        ended = time.time()
        for trouble in bots:  # all at once: each ends its loop in its own time
            trouble.stop()

        for trouble in bots:
            periods = trouble.pace.periods(faulty[0], ended)
            worst = max(abs(period - median) / median for period in periods)
            print(
                f"{trouble.name}: {len(periods)} periods, worst {worst:.1%} off the quiet median of "
                f"{median:.1f} s"
            )
            assert len(periods) >= FAULTY_CANDLES, trouble.name
            assert worst <= TOLERANCE, (trouble.name, periods, trouble.log.read_text()[-6000:])
            during = [e for e in live(trouble.workspace) if within(e, faulty)]
            assert during, f"no decision of {trouble.name} went on without models"
            for episode in during:
                assert not next(v for v in episode.views if v.agent == "quant").abstains
                for view in (v for v in episode.views if v.agent in LLM):
                    assert view.abstained_reason or view.asof or view.carried_reason
        down = unwrapped(bots[-1].log)
        assert "left alone, then tried every" in down
        assert "answers again" in down


def live(workspace: Workspace) -> tuple[Episode, ...]:
    newest = workspace.user_data / FOLDER / LATEST
    return workspace.episodes("live") if newest.exists() else ()


def within(episode: Episode, span: tuple[float, float]) -> bool:
    start, end = (datetime.fromtimestamp(at, UTC) for at in span)
    return start + timedelta(seconds=CANDLE_S) < episode.view.asof <= end
