"""A flow in a folder of its own, and a stand-in for freqtrade's process that does as it is told.

The stand-in is found through PYTHONPATH by `python -m freqtrade`, in the child process only.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from agent_market.flow.engine import FlowDone, run_flow
from agent_market.flow.files import digest_of_file
from agent_market.flow.history import steps_of
from agent_market.flow.plan import FlowPlan, make_plan
from agent_market.flow.progress import Screen
from agent_market.flow.resume import run_to_resume
from agent_market.flow.settings import load_flow_settings, midnight
from agent_market.flow.steps import chosen_steps
from tests.helpers.backtest_results import make_candles, write_result

PAIRS = ("BTC/USDT", "ETH/USDT")
FIRST_DAY = date(2024, 1, 1)

STAND_IN = """
import json, os, shutil, sys, time
from pathlib import Path

told = json.loads(Path(os.environ["STAND_IN"]).read_text())
arguments = sys.argv[1:]
with open(told["calls"], "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
does = told["does"].get(arguments[0], "work")

def value(name):
    return arguments[arguments.index(name) + 1]

print("2024-01-01 00:00:00,000 - freqtrade - INFO - at work", file=sys.stderr)
if does == "fail":
    print("2024-01-01 00:00:01,000 - freqtrade - ERROR - Fatal: the exchange is on holiday", file=sys.stderr)
    sys.exit(2)
if does == "wait":
    Path(told["calls"]).with_name("pid").write_text(str(os.getpid()))
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)
if does == "die":
    os.kill(os.getpid(), 9)
if does == "work" and arguments[0] == "download-data":
    shutil.copytree(told["candles"], value("--datadir"), dirs_exist_ok=True)
if does == "work" and arguments[0] == "backtesting":
    for file in Path(told["results"], value("--timerange")).glob("backtest-result-*"):
        shutil.copy(file, value("--backtest-directory"))
    print("the tables")
"""


def write_flow(folder: Path, **changes: Any) -> Path:
    """A flow file and its freqtrade config; `changes` are keys of the flow."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "timeframe": "1h",
        "exchange": {"name": "binance", "pair_whitelist": list(PAIRS)},
        "freqai": {
            "train_period_days": 5,
            "feature_parameters": {"include_timeframes": ["1h"], "include_corr_pairlist": [PAIRS[0]]},
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    flow = {
        "name": "test",
        "config": ["config.json"],
        "userdir": "user_data",
        "timerange": "20240101-20240131",
        "history_days": 2,
        **changes,
    }
    file = folder / "flow.yaml"
    file.write_text(yaml.safe_dump(flow))
    return file


def plan_of(folder: Path, changes: Sequence[str] = (), **keys: Any) -> FlowPlan:
    """The plan of such a flow."""
    return make_plan(load_flow_settings(write_flow(folder, **keys), changes))


def use_stand_in(monkeypatch: Any, plan: FlowPlan, does: Mapping[str, str] | None = None) -> Path:
    """Let `python -m freqtrade` be the stand-in; returns the file of its calls, one JSON list a line."""
    root = plan.settings.userdir.parent / "stand-in"
    package = root / "freqtrade"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(STAND_IN)
    candles, results = root / "candles", root / "results"
    _write_candles(candles, plan)
    for round_ in plan.rounds:
        target = results / round_.span.timerange
        if not target.exists():
            target.mkdir(parents=True)
            _write_result(target, round_.span.days, midnight(round_.span.start))
    calls = root / "calls.jsonl"
    calls.touch()
    told = {"calls": str(calls), "candles": str(candles), "results": str(results), "does": dict(does or {})}
    (root / "told.json").write_text(json.dumps(told))
    monkeypatch.setenv("STAND_IN", str(root / "told.json"))
    monkeypatch.setenv("PYTHONPATH", str(root))
    return calls


def commands(calls: Path) -> list[str]:
    """The subcommands that the stand-in was called with, in order."""
    return [json.loads(line)[0] for line in calls.read_text().splitlines()]


def _write_candles(folder: Path, plan: FlowPlan) -> None:
    folder.mkdir(exist_ok=True)
    hours = int((midnight(plan.settings.span.end) - plan.candles_from) / timedelta(hours=1)) + 1
    for pair in PAIRS:
        candles = make_candles([100.0 + n % 5 for n in range(hours)], plan.candles_from)
        candles.to_feather(folder / f"{pair.replace('/', '_')}-1h.feather")


def _write_result(folder: Path, days: int, start: datetime) -> None:
    names = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")
    write_result(folder, {name: [] for name in names}, days, PAIRS, start=start)


def run(
    plan: FlowPlan, wanted: Collection[str] | None = None, *, force: bool = False
) -> tuple[FlowDone, str]:
    """Run a flow; what it did, and what it printed."""
    console = Console(file=io.StringIO(), width=300, color_system=None)
    screen = Screen(console, plan.folder)
    done = run_flow(plan, chosen_steps(plan) if wanted is None else wanted, screen, force=force)
    assert isinstance(console.file, io.StringIO)
    return done, console.file.getvalue()


def flow_of(plan: FlowPlan, *, resume: bool) -> FlowPlan:
    """The same flow as a new process would begin it, or go on with it."""
    fresh = make_plan(plan.settings)
    return make_plan(plan.settings, run_id=run_to_resume(fresh).id) if resume else fresh


def products(folder: Path) -> dict[str, str]:
    """Every product of a run with the sha256 of its bytes, by place."""
    return {
        f"{place}/{name}": digest_of_file(folder / place / name)
        for place, record in steps_of(folder).items()
        for name in record.products
    }
