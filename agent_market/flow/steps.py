"""The steps of one round. Each is a function of the plan and of what the step before it made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from freqtrade.exchange import timeframe_to_seconds
from freqtrade.misc import deep_merge_dicts

from agent_market.config import load_settings
from agent_market.errors import FlowError
from agent_market.flow.feedback import (
    SUMMARY_FILE,
    Entry,
    append_feedback,
    feedback_lines,
    known_at,
    summary,
    visible_feedback,
    write_atomically,
)
from agent_market.flow.freqtrade import call_freqtrade, last_words
from agent_market.flow.market import ServedMarket
from agent_market.flow.plan import Plan, Round, chosen_config
from agent_market.flow.settings import midnight
from agent_market.reports.candles import load_candles
from agent_market.reports.gather import gather
from agent_market.reports.html import ReportContent, write_report
from agent_market.store.database import Database, store_url
from agent_market.store.spend import spent

Step = Literal["download", "backtest", "summary", "feedback", "report"]
STEPS: tuple[Step, ...] = get_args(Step)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Candles are there; `fetched` says whether freqtrade had to be asked."""

    fetched: bool
    series: int


@dataclass(frozen=True, slots=True)
class Backtested:
    """Where the result of a round lies, and freqtrade's own tables (None if they are not of this run).

    `model_calls` counts the requests that reached a model while it was made; the rest came from the store.
    """

    result: Path
    tables: Path | None
    seconds: float
    model_calls: int


@dataclass(frozen=True, slots=True)
class FedBack:
    """What the next round will be told; `moved` reports malformed lines that were put aside."""

    lines: tuple[str, ...]
    moved: tuple[str, ...]


def download(plan: Plan, market: ServedMarket, on_words: Progress) -> Downloaded:
    """Have freqtrade download what all rounds need; nothing is asked for when it is there already.

    :raises FlowError: freqtrade failed, or candles are missing although it said that it had not.
    """
    series = len(plan.pairs_to_download) * len(plan.timeframes)
    if not missing_candles(plan):
        return Downloaded(False, series)
    config = _write_config(plan, plan.folder / "download.json", market.overlay)
    arguments = [
        "download-data",
        *_common(plan, config),
        *("--pairs", *plan.pairs_to_download),
        *("--timeframes", *plan.timeframes),
        *("--timerange", f"{plan.candles_from:%Y%m%d}-{plan.settings.span.end + timedelta(days=1):%Y%m%d}"),
    ]
    call = call_freqtrade("download", arguments, plan.folder, on_words)
    if missing_candles(plan):
        # What is there begins too late: freqtrade extends a series forward unless told otherwise.
        call = call_freqtrade("download-earlier", [*arguments, "--prepend"], plan.folder, on_words)
    missing = missing_candles(plan)
    unusable = [line for line in missing if line.startswith("no candles")]
    if unusable:
        raise FlowError(
            f"download: freqtrade ended without an error, but {'; '.join(unusable)}. Its last words:\n"
            f"{last_words(call.log)}"
        )
    for line in missing:
        on_words(line)
    return Downloaded(True, series)


def backtest(plan: Plan, round_: Round, market: ServedMarket, on_words: Progress) -> Backtested:
    """Train and backtest the agents and their baselines over a round's span, in one call of freqtrade.

    :raises FlowError: freqtrade failed, or ended well without writing a result.
    """
    shown = plan.settings.userdir / plan.shown_feedback(round_.number)
    write_atomically(shown, visible_feedback(plan.feedback_folder, plan.scope, round_.number))
    config = _write_config(
        plan, round_.folder / "config.json", deep_merge_dicts(market.overlay, round_config(plan, round_))
    )
    round_.results.mkdir(parents=True, exist_ok=True)
    started = int(time.time())
    settings = plan.settings
    arguments = [
        "backtesting",
        *_common(plan, config),
        *("--strategy-list", *settings.strategies),
        *("--freqaimodel", settings.freqaimodel),
        *(("--strategy-path", str(settings.strategy_path)) if settings.strategy_path else ()),
        *(("--freqaimodel-path", str(settings.freqaimodel_path)) if settings.freqaimodel_path else ()),
        *("--timerange", round_.span.timerange),
        *("--export", "trades", "--cache", "none"),
        *("--backtest-directory", str(round_.results)),
        *(("--notes", market.note) if market.note else ()),
    ]
    call = call_freqtrade("backtest", arguments, round_.folder, on_words)
    result = newest_result(round_.results)
    if result is None:
        raise FlowError(
            f"backtest: freqtrade ended without an error and without a result in {round_.results}. "
            f"Its last words:\n{last_words(call.log)}\nThe whole log: {call.log}"
        )
    return Backtested(result, call.output, call.seconds, _model_calls(plan, started))


def _model_calls(plan: Plan, since: int) -> int:
    store = load_settings(plan.config).store
    database = Database(store_url(store.url, plan.settings.userdir))
    try:
        return spent(database, since=since).calls
    finally:
        database.close()


def summarise(plan: Plan, round_: Round, done: Backtested) -> ReportContent:
    """Measure a round, and write `summary.json` and `llm_feedback/latest_backtest_summary.json`."""
    content = gather(done.result, plan.settings.userdir, plan.datadir)
    packed = json.dumps(summary(content, plan.scope, round_.number), indent=2, allow_nan=False) + "\n"
    write_atomically(round_.folder / "summary.json", packed)
    write_atomically(plan.feedback_folder / SUMMARY_FILE, packed)
    return content


def feed_back(plan: Plan, round_: Round, content: ReportContent) -> FedBack:
    """Append what a round taught to `llm_feedback/feedback.jsonl`."""
    entry = Entry(known_at(content), round_.number, feedback_lines(content), plan.scope)
    return FedBack(entry.lines, append_feedback(plan.feedback_folder, entry))


def report(round_: Round, content: ReportContent) -> Path:
    """Write the HTML report of a round."""
    return write_report(content, round_.folder / "report.html")


def missing_candles(plan: Plan) -> list[str]:
    """What is not there of the candles that the rounds need; empty when all is.

    A series that begins later than wanted is listed too: its coin may be younger than that.
    """
    start, end = plan.candles_from, midnight(plan.settings.span.end)
    mode = str(plan.config.get("trading_mode") or "spot")
    missing = []
    for timeframe in plan.timeframes:
        candle = timedelta(seconds=timeframe_to_seconds(timeframe))
        found = load_candles(plan.datadir, plan.pairs_to_download, timeframe, mode, start, end)
        for pair in plan.pairs_to_download:
            if pair not in found:
                missing.append(f"no candles of {pair} {timeframe} from {start:%Y-%m-%d} to {end:%Y-%m-%d}")
                continue
            dates = found[pair]["date"]
            if dates.iloc[0] > start + candle:
                missing.append(f"{pair} {timeframe} begins at {dates.iloc[0]:%Y-%m-%d %H:%M}")
            if dates.iloc[-1] < end - candle:
                missing.append(f"{pair} {timeframe} ends at {dates.iloc[-1]:%Y-%m-%d %H:%M}")
    return missing


def earlier_result(plan: Plan, round_: Round) -> Backtested:
    """The newest archived result of this round by an equal flow, for a run that leaves out the backtest.

    :raises FlowError: there is none.
    """
    runs = sorted(plan.folder.parent.glob(f"*/{round_.folder.name}/scope.txt"), reverse=True)
    for marker in runs:
        result = newest_result(marker.parent / round_.results.name)
        if marker.read_text(encoding="utf-8").strip() == plan.scope and result is not None:
            return Backtested(result, marker.parent / "backtest.out", 0.0, 0)
    raise FlowError(
        f"round {round_.number} of this flow ({plan.scope}) has no result in {plan.folder.parent}; "
        "run the step `backtest` as well."
    )


def newest_result(folder: Path) -> Path | None:
    """The result file in a folder that freqtrade wrote to, if there is one."""
    found = sorted(folder.glob("backtest-result-*.zip"))
    return found[-1] if found else None


def round_config(plan: Plan, round_: Round) -> dict[str, Any]:
    """The settings that only a round knows: the feedback it may see, and the memory it continues."""
    section: dict[str, Any] = {"agents": {"feedback_file": str(plan.shown_feedback(round_.number))}}
    if not plan.config.get("agent_market", {}).get("memory", {}).get("scope"):
        section["memory"] = {"scope": plan.scope}
    return {"agent_market": section}


def _common(plan: Plan, overlay: Path) -> list[str]:
    configs = [part for file in (*plan.settings.config, overlay) for part in ("--config", str(file))]
    return [*configs, "--userdir", str(plan.settings.userdir), "--datadir", str(plan.datadir)]


def _write_config(plan: Plan, file: Path, overlay: Mapping[str, Any]) -> Path:
    """The config that the flow lays over the files: archived with the run, it tells what was really run."""
    merged = deep_merge_dicts(dict(overlay), chosen_config(plan.settings))
    write_atomically(file, json.dumps(merged, indent=2, default=str) + "\n")
    return file
