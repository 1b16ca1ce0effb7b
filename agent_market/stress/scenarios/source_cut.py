"""The primary source of prices goes silent, then refuses; a file of context is gone: others stand in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.sandbox.endpoints import overlay
from agent_market.sandbox.faults import FlashCrash, Latency, ServerError
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.stress.bots import TICKERS, Server, StressedBot, exchange, seconds_until, stressed_bot
from agent_market.stress.scenario import Invariant, Scenario

FAILOVER_S, FREEZE_S = 5.0, 0.5
SILENCE_S = 20.0
FIRST, SECOND = 10.0, 20.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Seconds from the cut until prices came from the second exchange; the rest as named."""

    silent_s: float
    refused_s: float
    back_s: float
    frozen_on_second_s: float
    context: tuple[float | None, float | None]
    """Value of the series before its file was cut off, and after."""
    context_s: float
    """Seconds that the decision after the cut took."""


def cut(folder: Path) -> Cut:
    """Cut the first exchange's tickers off in two ways, crash prices on the second, then take a file away."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(exchange()) for _ in range(2))
        model = stack.enter_context(running(create_model_app()))
        bot = stack.enter_context(_bot(folder, first, second, model))
        prices = bot.attachment.prices
        assert prices is not None, "the tick watch runs"
        primary = prices.using
        bot.step()
        before = _context(bot)

        first.faults(Latency(path=TICKERS, seconds=SILENCE_S))
        silent_s = seconds_until(lambda: prices.using != primary)
        first.faults()
        back_s = seconds_until(lambda: prices.using == primary, SILENCE_S + 10.0)
        first.faults(ServerError(path=TICKERS))
        refused_s = seconds_until(lambda: prices.using != primary)
        time.sleep(1.0)  # a few looks at the second exchange's prices, from which a fall counts
        second.faults(FlashCrash(depth=0.3))
        frozen_s = seconds_until(lambda: bot.attachment.breaker.frozen)

        (folder / "mood.csv").unlink()
        bot.strategy.ask_again()
        started = time.perf_counter()
        bot.step()
        return Cut(
            silent_s=silent_s,
            refused_s=refused_s,
            back_s=back_s,
            frozen_on_second_s=frozen_s,
            context=(before, _context(bot)),
            context_s=time.perf_counter() - started,
        )


def _bot(folder: Path, first: Server, second: Server, model: str) -> Any:
    now = datetime.now(UTC)
    for name, value in (("mood.csv", FIRST), ("mood_too.csv", SECOND)):
        rows = "".join(f"{(now - timedelta(days=age)).isoformat()},{value}\n" for age in (3, 2))
        (folder / name).write_text(f"date,value\n{rows}")
    series = {
        "name": "mood",
        "path": "mood.csv",
        "value_column": "value",
        "time_column": "date",
        "fallbacks": ["mood_too.csv"],
    }
    other = overlay(second.url)["exchange"]["ccxt_config"]
    section: Mapping[str, Any] = {
        "perception": {"context": [series]},
        "llm": {"base_url": f"{model}/v1", "mode": "live"},
        "agents": {"debate": {"mode": "compact"}},
    }
    risk = {"breaker": {"tick_sources": [{"exchange": "binance", "ccxt_config": other}]}}
    return stressed_bot(folder, first, risk, strategy="Advised", section=section)


def _context(bot: StressedBot) -> float | None:
    episode = next(iter(bot.strategy.decisions.values()), None)
    value: float | None = None if episode is None else episode.view.context.get("mood")
    return value


SOURCE_CUT = Scenario(
    "source-cut",
    "The exchange's tickers hang, then answer HTTP 500, with a second exchange in `tick_sources`; then a "
    "context file with a fallback is deleted.",
    cut,
    (
        Invariant(
            f"prices come from the second source at most {FAILOVER_S:g} s after the first goes silent",
            lambda e: e.silent_s <= FAILOVER_S,
            lambda e: f"{e.silent_s:.2f} s",
            timed=True,
        ),
        Invariant(
            f"and at most {FAILOVER_S:g} s after it begins to refuse",
            lambda e: e.refused_s <= FAILOVER_S,
            lambda e: f"{e.refused_s:.2f} s",
            timed=True,
        ),
        Invariant(
            f"a crash that only the second source shows freezes entries within {FREEZE_S} s",
            lambda e: e.frozen_on_second_s <= FREEZE_S,
            lambda e: f"{e.frozen_on_second_s:.3f} s",
            timed=True,
        ),
        Invariant(
            "the first source is gone back to by itself",
            lambda e: e.back_s < float("inf"),
            lambda e: f"{e.back_s:.1f} s after it was whole; its last requests hung for {SILENCE_S:.0f} s",
        ),
        Invariant(
            f"the next decision reads the fallback of a file that is gone, within {FAILOVER_S:g} s",
            lambda e: e.context == (FIRST, SECOND) and e.context_s <= FAILOVER_S,
            lambda e: (
                f"value {e.context[0]:g}, then {e.context[1]:g}; decided in {e.context_s:.2f} s"
                if None not in e.context
                else f"values {e.context}"
            ),
            timed=True,
        ),
    ),
)
