"""Random sequences of entries of every kind on the live gate: nothing over a limit ever gets through."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.confirmations import Confirmations
from agent_market.bot.control import Control
from agent_market.bot.gate.entry_gate import EntryGate
from agent_market.bot.gate.splits import SplitBook
from agent_market.bot.journal.journal import Journal
from agent_market.config import RiskSettings
from agent_market.risk.before import size_entry
from agent_market.risk.orders import Book, Conditions, EntryOrder, EntryRequest, Holding, Sized
from agent_market.risk.systemic import Alarm

SETTINGS = RiskSettings()
PAIRS = ("A/USDT", "B/USDT", "C/USDT")
STOP = 0.10
CASH = 10_000.0


class Account:
    """A made-up account behind the gate: what was let through is held, at cost."""

    def __init__(self, folder: Path) -> None:
        self.bus = AlertBus()
        self.breaker = BreakerService(SETTINGS.breaker, self.bus, None)
        self.journal, self.splits, self.settings = Journal(None), SplitBook(60), SETTINGS
        self.strategy = SimpleNamespace(position_adjustment_enable=False)
        self.free, self.held = CASH, dict[str, tuple[int, float, float]]()
        self.fails = False
        self.control = Control(folder)
        self.gate = EntryGate(
            self,  # type: ignore[arg-type]
            self.control,
            Confirmations(timedelta(minutes=1)),
            lambda pair, reason: None,
            lambda pair, rate, leverage: 10.0,
        )

    def size(self, request: EntryRequest) -> Sized:
        if self.fails:
            raise RuntimeError("planted")
        book = Book(CASH, self.free, tuple(Holding(p, s, n, n * STOP) for p, (s, n, _) in self.held.items()))
        sign, rate, least = request.sign, request.rate, request.min_stake
        entry = EntryOrder(request.pair, sign, rate, request.stake, request.leverage, STOP, "Ours", least)
        return size_entry(entry, book, Conditions(), SETTINGS)

    def enter(self, pair: str, side: str, stake: Any, leverage: Any, mode: str, forced: Any) -> float:
        trade = SimpleNamespace(enter_tag="t", leverage=1.0) if pair in self.held else None

        def original(*given: Any) -> tuple[Any, Any, Any]:
            return 100.0, stake, 1.0 if trade else (given[7] or leverage)

        _, allowed, lever = self.gate(original, pair, None, stake, side, "t", trade, mode, forced)
        assert math.isfinite(allowed)
        assert allowed >= 0.0
        if allowed > 0.0:
            sign, notional, margin = self.held.get(pair, (-1 if side == "short" else 1, 0.0, 0.0))
            self.held[pair] = (sign, notional + allowed * lever, margin + allowed)
            self.free -= allowed
            assert lever <= SETTINGS.entry.leverage
        return allowed


NUMBER = st.one_of(
    st.floats(0.0, 50_000.0),
    st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-9, 10.0, 1e300, None, "many"]),
)
ENTER = st.tuples(
    st.just("enter"),
    st.sampled_from(PAIRS),
    st.sampled_from(["long", "short"]),
    NUMBER,
    st.one_of(st.floats(0.1, 125.0), st.sampled_from([math.nan, math.inf, None, "x"])),
    st.sampled_from(["initial", "pos_adjust", "replace"]),
    st.sampled_from([None, 5.0, 125.0, math.nan, -2.0, "5"]),
)
OTHER = st.sampled_from(["close", "fail", "mend", "freeze", "thaw", "pause", "resume"]).map(
    lambda name: (name,)
)


@pytest.mark.slow
@settings(max_examples=1_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(ENTER, ENTER, ENTER, OTHER), min_size=1, max_size=12))
def test_a_thousand_sequences_never_get_anything_over_a_limit_through(
    tmp_path_factory: Any, steps: list[tuple[Any, ...]]
) -> None:
    account = Account(tmp_path_factory.getbasetemp() / "switch")
    paused = frozen = False
    for step in steps:
        if step[0] == "enter":
            allowed = account.enter(*step[1:])
            assert not (allowed and (paused or frozen or account.fails))
        elif step[0] == "close" and account.held:
            _, _, margin = account.held.pop(next(iter(account.held)))
            account.free += margin
        elif step[0] in ("fail", "mend"):
            account.fails = step[0] == "fail"
        elif step[0] in ("freeze", "thaw"):
            frozen = step[0] == "freeze"
            account.breaker.see("ticks", [Alarm("stale_data", 1.0, 2.0)] if frozen else [])
        elif step[0] in ("pause", "resume"):
            paused = step[0] == "pause"
            account.control.pause("test") if paused else account.control.resume("test")
        notional = {pair: n for pair, (_, n, _) in account.held.items()}
        entry = SETTINGS.entry
        assert all(n <= entry.symbol_notional * CASH * (1 + 1e-6) for n in notional.values())
        assert all(n * STOP <= entry.loss_at_stop * CASH * (1 + 1e-6) for n in notional.values())
        assert account.free >= entry.free_funds * CASH * (1 - 1e-6)
        assert sum(notional.values()) <= entry.correlated * CASH * (1 + 1e-6), "unknown counts as 1"
        assert sum(notional.values()) * STOP <= SETTINGS.budget.book_loss * CASH * (1 + 1e-6)
    if paused:
        account.control.resume("test")
