"""What our layer adds to an iteration of the bot's loop: 20 pairs, layer attached against bare strategy.

Two processes take turns, block by block, so that a noisy minute strikes both: in each, a real dry-run bot on
the sandbox with 20 pairs and five open trades goes through iterations of `FreqtradeBot.process`. Each
iteration analyses all 20 pairs anew, as on a new candle. The value is the difference of the 99th percentiles
on the wall clock; the limit is 100 ms.

    python benchmarks/loop_overhead.py [--blocks 4] [--iterations 60]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "bot"))
import dry_bot as running

LIMIT_MS = 100.0
WARM_UP = 5
COINS = 20

BARE = {
    "from agent_market.strategy.guarded import GuardedStrategy": "from freqtrade.strategy import IStrategy",
    "class Always(GuardedStrategy)": "class Always(IStrategy)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=60)
    options = parser.parse_args()
    times: dict[bool, list[float]] = {True: [], False: []}
    pool = get_context("spawn")
    for block in track(range(2 * options.blocks), description="blocks"):
        layer = block % 2 == 0
        with pool.Pool(1) as one:
            times[layer].extend(one.apply(_block, (layer, options.iterations)))
    for layer in (False, True):
        name = "layer attached" if layer else "bare strategy"
        p50, p99 = np.percentile(times[layer], [50, 99])
        print(f"{name:15} {len(times[layer])} iterations: median {p50:6.1f} ms, p99 {p99:6.1f} ms")
    p99s = {layer: float(np.percentile(times[layer], 99)) for layer in times}
    value = p99s[True] - p99s[False]
    result = {
        "name": "loop_overhead",
        "value": round(value, 1),
        "unit": "ms",
        "against": "a limit of 100 ms added to the p99 of an iteration, 20 pairs",
        "ratio": round(value / LIMIT_MS, 3),
    }
    print(json.dumps(result))


def _block(layer: bool, iterations: int) -> list[float]:
    """Milliseconds of each iteration of one bot, after a warm-up."""
    logging.disable(logging.CRITICAL)
    running.PAIRS = tuple(f"C{n:02d}/USDT" for n in range(COINS))  # type: ignore[assignment]
    if not layer:
        for ours, bare in BARE.items():
            running.STRATEGY = running.STRATEGY.replace(ours, bare)
    with tempfile.TemporaryDirectory() as folder, running.dry_bot(Path(folder)) as dry:
        if layer != hasattr(dry.strategy, "attachment"):
            raise SystemExit(f"layer wanted: {layer}; strategy: {type(dry.strategy).__mro__}")
        for _ in range(WARM_UP):
            _iteration(dry.bot)
        return [_iteration(dry.bot) for _ in range(iterations)]


def _iteration(bot: Any) -> float:
    bot.strategy._last_candle_seen_per_pair = {}  # every pair counts as having a new candle
    start = time.perf_counter()
    bot.process()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main()
