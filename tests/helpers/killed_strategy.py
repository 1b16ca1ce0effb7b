"""What runs in a bot that will be killed: it trades without rest, and tells of each commit once it is done.

It tells by `os.write` of one line to a file opened for appending: what was written outlives the process, and
needs neither of the two databases under test.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.persistence import PairLocks, Trade
from freqtrade.strategy import DecimalParameter
from sqlalchemy import select

from agent_market.bot.plugin import BREAKER_LOCK, BotPlugin
from agent_market.jobs import light
from agent_market.memory.episodic import EpisodicMemory
from agent_market.records import Episode, Outcome
from agent_market.risk.systemic import Alarm
from agent_market.store.database import Database
from agent_market.store.episode_json import outcome_to_json, record_to_json, seconds
from agent_market.store.outcomes import put_outcomes
from agent_market.strategy.strategy import AgentMarketStrategyBase

CANDLE_MS = 60_000
ADVANCES = 0.6
EXITS = 0.3
ALARM = Alarm("flash_crash", 0.1, 0.2, "BTC/USDT")


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


class Told:
    """The side channel of one bot."""

    def __init__(self, folder: Path) -> None:
        self._out = os.open(folder / "told.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, what: str, **facts: Any) -> None:
        os.write(self._out, json.dumps({"bot": os.getpid(), "what": what, **facts}).encode() + b"\n")


class Clock:
    """Milliseconds in a file of eight bytes, which the exchange's clock shows."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "clock", os.O_RDWR | os.O_CREAT)

    def read(self) -> int:
        return int.from_bytes(os.pread(self._file, 8, 0), "little")

    def write(self, now: int) -> None:
        os.pwrite(self._file, now.to_bytes(8, "little"), 0)

    def advance(self, candles: int = 1) -> None:
        self.write(self.read() + candles * CANDLE_MS)


def tell_of_jobs(told: Told) -> None:
    """The same for the job that gives decisions their outcomes, beside the loop."""
    put = put_outcomes

    def telling(database: Database, found: Iterable[tuple[Episode, Outcome]]) -> int:
        pairs = list(found)
        batch = [
            [e.view.pair, seconds(e.view.asof), e.id, digest(record_to_json(e)), digest(outcome_to_json(o))]
            for e, o in pairs
        ]
        told("settling", batch=[[*row, seconds(e.due)] for row, (e, _) in zip(batch, pairs, strict=True)])
        count = put(database, pairs)
        told("settled")
        return count

    light.put_outcomes = telling


def tell_of_flushes(told: Told) -> None:
    """Make every `EpisodicMemory` of this process tell of its transactions, before and after."""
    flush = EpisodicMemory.flush

    def telling(memory: EpisodicMemory) -> None:
        batch = [
            [
                memory.pair,
                asof,
                episode.id,
                digest(record_to_json(episode)),
                None if episode.outcome is None else digest(outcome_to_json(episode.outcome)),
                seconds(episode.due),
            ]
            for asof, episode in sorted(memory._pending.items())
        ]
        told("writing", batch=batch)
        flush(memory)
        told("written")

    EpisodicMemory.flush = telling  # type: ignore[method-assign]


def tell_of_trainings(told: Told) -> None:
    """The same for FreqAI's thread that trains: until a model is saved and the old ones are gone."""
    train, save = IFreqaiModel.extract_data_and_train_model, FreqaiDataDrawer.save_data

    def telling(self: IFreqaiModel, span: Any, pair: str, *rest: Any) -> None:
        told("training", pair=pair)
        train(self, span, pair, *rest)
        told("trained", pair=pair)

    def saving(self: FreqaiDataDrawer, *args: Any, **kwargs: Any) -> None:
        told("saving")
        save(self, *args, **kwargs)

    IFreqaiModel.extract_data_and_train_model = telling  # type: ignore[method-assign]
    FreqaiDataDrawer.save_data = saving  # type: ignore[method-assign]


class Switching(threading.Thread):
    """Somebody who cannot leave the switches alone; tells what will stand, and then that it stands."""

    def __init__(self, attachment: BotPlugin, told: Told) -> None:
        super().__init__(daemon=True)
        self._attachment = attachment
        self._told = told
        self._random = random.Random(os.getpid())

    def run(self) -> None:
        control, breaker = self._attachment.control, self._attachment.breaker
        rest: list[tuple[Callable[[], object], dict[str, Any]]] = [
            (lambda: control.resume("test"), {"paused": False}),
            (lambda: control.set_mode("auto", "test"), {"mode": "auto"}),
            (lambda: breaker.reset("test"), {"frozen": False}),
        ]
        trouble: list[tuple[Callable[[], object], dict[str, Any]]] = [
            (lambda: control.pause("test", "because"), {"paused": True}),
            (lambda: control.set_mode("manual", "test"), {"mode": "manual"}),
            (lambda: breaker.see("test", [ALARM]), {"frozen": True}),
        ]
        time.sleep(self._random.uniform(0.1, 0.5))
        for act, result in rest:
            self._do(act, result)
        while True:
            n = self._random.randrange(len(trouble))
            time.sleep(self._random.uniform(0.1, 1.0))
            self._do(*trouble[n])
            time.sleep(self._random.uniform(0.0, 0.3))
            self._do(*rest[n])

    def _do(self, act: Callable[[], object], result: dict[str, Any]) -> None:
        self._told("switching", to=result)
        act()
        self._told("switched")


class Restless(AgentMarketStrategyBase):
    """Enters on any decision, leaves at random, and moves the market's clock on by itself."""

    timeframe = "1m"
    stoploss = -0.5
    entry_threshold = DecimalParameter(-10.0, 8.0, default=-9.9, decimals=1, space="fusion")
    exit_threshold = DecimalParameter(-10.0, 8.0, default=-9.9, decimals=1, space="fusion")

    def bot_start(self, **kwargs: Any) -> None:
        folder = Path(self.config["user_data_dir"]).parent
        self._told, self._clock = Told(folder), Clock(folder)
        self._random = random.Random(os.getpid())
        tell_of_flushes(self._told)
        tell_of_jobs(self._told)
        tell_of_trainings(self._told)
        super().bot_start(**kwargs)
        state, frozen = self.attachment.control.state(), self.attachment.breaker.frozen
        self._told("started", state={"paused": state.paused, "mode": state.mode, "frozen": frozen})
        Switching(self.attachment, self._told).start()

    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        calm = not self.attachment.breaker.frozen
        super().bot_loop_start(current_time=current_time, **kwargs)
        if calm and not self.attachment.breaker.frozen and self._locked_by_breaker():
            self._told("left locked")
        self.unlock_reason(
            "Auto lock"
        )  # freqtrade's own after an exit, as long as a candle of the wall clock
        self._told("looped", trades=self._committed())
        if self._random.random() < ADVANCES:
            self._clock.advance()

    def lock_until_next_candle(self, pair: str, reason: str) -> None:
        """A candle lasts half a second here, and freqtrade's locks last for minutes of the wall clock."""

    def custom_exit(self, *args: Any, **kwargs: Any) -> str | bool | None:
        reason = super().custom_exit(*args, **kwargs)
        return reason or ("restless" if self._random.random() < EXITS else None)

    @staticmethod
    def _locked_by_breaker() -> bool:
        return any(lock.reason == BREAKER_LOCK for lock in PairLocks.get_pair_locks(None))

    @staticmethod
    def _committed() -> list[list[Any]]:
        """The newest trades; the loop before committed them."""
        columns = (Trade.id, Trade.pair, Trade.enter_tag, Trade.is_open)
        rows = Trade.session.execute(select(*columns).order_by(Trade.id.desc()).limit(8))
        return [list(row) for row in rows]
