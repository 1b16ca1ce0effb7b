"""From the crash tick to frozen entries: a flash crash on the sandbox exchange, seen by a real dry-run bot.

A crash of 30% is switched on at the exchange; the clock stops when the gate would refuse an entry. The bot's
loop stands still meanwhile, so that only the tick watch can have seen it. The value is the slowest of all
runs, on the wall clock; the limit is 0.5 s. Also shown: the candle path, from `bot_loop_start` to frozen.

    python benchmarks/breaker.py [--runs 50]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "bot"))
from agent_market.sandbox.faults.spec import FaultPlan, FlashCrash
from tests.helpers.dry_bot import PAIRS, DryBot, dry_bot, now

LIMIT_S = 0.5
PATIENCE_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, dry_bot(Path(folder)) as dry:
        ticks = [_ticks(dry) for _ in track(range(options.runs), description="crashes")]
        dry.process()
        candles = [_candles(dry) for _ in range(options.runs)]
    for name, times in (("crash tick", ticks), ("crash candle", candles)):
        worst, middle = max(times), float(np.median(times))
        print(
            f"{name:12} -> frozen: median {middle * 1e3:6.1f} ms, worst of {len(times)} {worst * 1e3:6.1f} ms"
        )
    value = max(ticks)
    result = {
        "name": "breaker",
        "value": round(value, 3),
        "unit": "s",
        "against": "a limit of 0.5 s from the crash tick to frozen entries, worst run",
        "ratio": round(value / LIMIT_S, 3),
    }
    print(json.dumps(result))


def _ticks(dry: DryBot) -> float:
    """Seconds from the crash to frozen; the exchange recovers and the breaker is reset afterwards."""
    time.sleep(0.3 + np.random.default_rng().uniform(0.0, 0.25))  # anywhere between two looks
    dry.board.set(FaultPlan(faults=(FlashCrash(depth=0.3),)))
    start = time.perf_counter()
    while not dry.attachment.breaker.frozen:
        if time.perf_counter() - start > PATIENCE_S:
            raise SystemExit("the breaker never tripped")
        time.sleep(0.001)
    took = time.perf_counter() - start
    dry.board.clear()
    _recover(dry)
    return took


def _recover(dry: DryBot) -> None:
    """Wait until prices are back, then thaw by hand."""
    deadline = time.perf_counter() + PATIENCE_S
    while dry.attachment.breaker.frozen:
        time.sleep(0.3)
        dry.attachment.breaker.reset("benchmark")
        time.sleep(0.3)
        if time.perf_counter() > deadline:
            raise SystemExit("the breaker never thawed")


def _candles(dry: DryBot) -> float:
    """Seconds that the loop's look at candles and account takes, with a candle that fell by 30% there."""
    market, breaker = dry.attachment.desk.market, dry.attachment.breaker
    whole = {pair: market.frame(pair) for pair in PAIRS}
    crashed = whole[PAIRS[0]].copy()
    crashed.loc[crashed.index[-1], ["low", "close"]] *= 0.7
    market.frame = lambda pair: crashed if pair == PAIRS[0] else whole[pair]  # type: ignore[method-assign]
    start = time.perf_counter()
    dry.attachment.desk.look(now())
    took = time.perf_counter() - start
    if not breaker.frozen:
        raise SystemExit("a candle that fell by 30% did not trip the breaker")
    del market.frame  # type: ignore[method-assign]
    breaker.reset("benchmark")
    return took


if __name__ == "__main__":
    main()
