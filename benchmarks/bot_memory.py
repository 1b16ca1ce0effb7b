"""Memory of a running bot: 20 pairs at 1m with FreqAI and the committee, on the sandbox in dry-run.

The bot is `freqtrade trade` in a process of its own; a thread in it notes, once a minute of the bot's clock,
its
resident memory, the bytes that malloc has in use and in free lists, and the counts of Python objects. With
`--speed` the wall clocks of bot and sandbox run faster (a C compiler must be there: a shim of 20 lines
stands before
`clock_gettime`), so that two hours of candles pass in 20 minutes. The value is the growth of resident memory
per hour of candles over the second half of the run, by least squares.

    python benchmarks/bot_memory.py [--minutes 120] [--speed 6] [--pairs 20] [--trace] [--out samples.jsonl]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double speed, began;  /* monotonic clocks, and with them sleeps and timeouts, stay as they are */

static double now(void) {
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
    double real = t.tv_sec + t.tv_nsec / 1e9;
    if (began == 0.0) { speed = atof(getenv("CLOCK_SPEED")); began = atof(getenv("CLOCK_BEGAN")); }
    return began + (real - began) * speed;
}
int clock_gettime(clockid_t clock, struct timespec *t) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return syscall(SYS_clock_gettime, clock,
    t); double seconds = now();
    t->tv_sec = (time_t)seconds;
    t->tv_nsec = (long)((seconds - t->tv_sec) * 1e9);
    return 0;
}
int gettimeofday(struct timeval *t, void *zone) {
    double seconds = now();
    t->tv_sec = (time_t)seconds;
    t->tv_usec = (long)((seconds - t->tv_sec) * 1e6);
    return 0;
}
time_t time(time_t *out) { time_t t = (time_t)now(); if (out) *out = t; return t; }
"""
LIMIT_MIB_PER_HOUR = 15.0
COINS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0, help="of the bot's clock")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--pairs", type=int, default=COINS)
    parser.add_argument(
        "--trace", action="store_true", help="tracemalloc: slow, names the lines that keep memory"
    )
    parser.add_argument("--out", type=Path, default=None, help="where the samples go, a JSON line each")
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        run_bot(options.child, options.out, options.trace)
    elif options.speed != 1.0 and "CLOCK_SPEED" not in os.environ:
        speed_up(options.speed)
    else:
        watch(options)


def speed_up(speed: float) -> None:
    """Start this program again with a wall clock that runs `speed` times as fast from now on."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "clock.c", Path(folder) / "clock.so"
        source.write_text(SHIM)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        clock = {"LD_PRELOAD": str(library), "CLOCK_SPEED": str(speed), "CLOCK_BEGAN": str(time.time())}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=os.environ | clock, check=False).returncode)


def watch(options: argparse.Namespace) -> None:
    """Run sandbox and bot, wait, and print the growth."""
    from agent_market.sandbox.market import LiveMarket, SyntheticSource  # noqa: PLC0415
    from tests.helpers.workspace import make_workspace, sandbox, stop  # noqa: PLC0415 - with PYTHONPATH of tests

    pairs = tuple(f"C{n:02d}/USDT" for n in range(options.pairs))
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder) / "samples.jsonl"
        out.unlink(missing_ok=True)
        with sandbox(LiveMarket(SyntheticSource(seed=11, pairs=pairs))) as (endpoints, _):
            workspace = make_workspace(Path(folder), endpoints)
            (workspace.user_data / "live_data").mkdir()
            workspace.config(config_changes(pairs))
            command = [sys.executable, __file__, "--child", str(workspace.user_data), "--out", str(out)]
            log = (out.parent / f"{out.stem}.log").open("wb")
            process = subprocess.Popen(
                command + ["--trace"] * options.trace, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                deadline = time.time() + 60.0 * options.minutes
                while time.time() < deadline and process.poll() is None:
                    time.sleep(5.0)
            finally:
                stop(process)
                log.close()
        report([json.loads(line) for line in out.read_text().splitlines()])


def config_changes(pairs: tuple[str, ...]) -> dict[str, Any]:
    """A decision of every pair on every candle: the most that can be kept a minute."""
    return {
        "timeframe": "1m",
        "max_open_trades": 5,
        "exchange": {"pair_whitelist": list(pairs)},
        "internals": {"process_throttle_secs": 1},
        "freqai": {
            "train_period_days": 1,
            "live_retrain_hours": 1,
            "feature_parameters": {"include_timeframes": ["1m"], "include_corr_pairlist": []},
            "model_training_parameters": {"n_estimators": 20, "n_jobs": 1},
        },
        "agent_market": {"decision": {"cadence_candles": 1, "gate_min_candles": 1}},
    }


def run_bot(user_data: Path, out: Path, trace: bool) -> None:
    """`freqtrade trade` in this process, with a thread that takes samples."""
    if trace:
        tracemalloc.start(12)
    threading.Thread(target=sample, args=(user_data, out, trace), daemon=True).start()
    from freqtrade.main import main as freqtrade  # noqa: PLC0415 - after tracemalloc

    places = ["--userdir", str(user_data), "-c", str(user_data / "config.json")]
    freqtrade(
        [
            *("trade", "--dry-run", "--strategy", "AgentMarketStrategy", "--freqaimodel", "AgentEnsemble"),
            *("--datadir", str(user_data / "live_data"), *places),
            *("--db-url", f"sqlite:///{user_data / 'trades.sqlite'}"),
        ]
    )


class MallInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def sample(user_data: Path, out: Path, trace: bool) -> None:
    """A line a minute of the (maybe accelerated) wall clock."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = MallInfo
    process = psutil.Process()
    before: tracemalloc.Snapshot | None = None
    began = time.time()
    minute = 0
    while True:
        time.sleep(max(0.0, began + 60.0 * (minute + 1) - time.time()))
        minute += 1
        info = libc.mallinfo2()
        row: dict[str, Any] = {
            "minute": round((time.time() - began) / 60.0, 2),
            "rss_mib": process.memory_info().rss / 2**20,
            "in_use_mib": (info.uordblks + info.hblkhd) / 2**20,
            "free_mib": info.fordblks / 2**20,
            "threads": threading.active_count(),
            "open_files": process.num_fds(),
        }
        if minute % 10 == 0:
            gc.collect()
            row["objects"] = Counter(type(o).__name__ for o in gc.get_objects()).most_common(25)
            if trace:
                now = tracemalloc.take_snapshot()
                if before is not None:
                    grown = now.compare_to(before, "lineno")[:25]
                    row["grown"] = [
                        f"{s.size_diff / 1024:.0f} KiB {s.count_diff} {s.traceback}" for s in grown
                    ]
                    deep = now.compare_to(before, "traceback")[:6]
                    row["deep"] = [[f"{s.size_diff / 1024:.0f} KiB", *s.traceback.format()] for s in deep]
                before = now
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")


def report(rows: list[dict[str, Any]]) -> None:
    """Growth per hour over the second half."""
    if len(rows) < 4:
        sys.exit("the bot ended, or the run was too short: fewer than four samples")
    late = rows[len(rows) // 2 :]
    minutes, rss, used = (np.array([row[k] for row in late]) for k in ("minute", "rss_mib", "in_use_mib"))
    growth = 60.0 * float(np.polyfit(minutes, rss, 1)[0])
    in_use = 60.0 * float(np.polyfit(minutes, used, 1)[0])
    print(f"{len(rows)} samples; resident {rows[0]['rss_mib']:.0f} -> {rows[-1]['rss_mib']:.0f} MiB")
    print(f"second half: resident {growth:+.1f} MiB an hour, malloc in use {in_use:+.1f} MiB an hour")
    result = {
        "name": "bot_memory",
        "value": round(growth, 1),
        "unit": "MiB per hour of candles",
        "against": f"a limit of {LIMIT_MIB_PER_HOUR:g} MiB an hour, 20 pairs at 1m",
        "ratio": round(growth / LIMIT_MIB_PER_HOUR, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
