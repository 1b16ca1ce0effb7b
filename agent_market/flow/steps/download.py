"""Download the candles of all rounds with freqtrade."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from freqtrade.exchange import timeframe_to_seconds

from agent_market.candles import load_candles
from agent_market.errors import FlowError
from agent_market.flow.fingerprints import candles_of
from agent_market.flow.freqtrade_arguments import common_arguments, write_config
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import midnight
from agent_market.flow.steps.base import Context, Say, Step
from agent_market.freqtrade_cli import call_freqtrade, last_words
from agent_market.utils.durable import replace_text

LISTING = "candles.json"


class Download(Step):
    """Download missing candles only. The product is a listing of the candles."""

    name = "download"
    once = True
    products = (LISTING,)

    def inputs(self, at: Context) -> Mapping[str, Any]:
        plan = at.plan
        sandbox = plan.settings.sandbox
        return {
            "series": [plan.pairs_to_download, plan.timeframes, plan.config.get("trading_mode", "spot")],
            "span": [plan.candles_from.isoformat(), plan.settings.span.end.isoformat()],
            "market": [plan.datadir.name, sandbox.model_dump(mode="json") if sandbox else None],
        }

    def stale(self, at: Context, folder: Path) -> str | None:
        listed = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        return None if listed == _listing(at.plan) else "the candles on disk differ from those of that run"

    def make(self, at: Context, folder: Path, say: Say) -> None:
        plan = at.plan
        if missing_candles(plan):
            _fetch(at, folder, say)
            words = "downloaded"
        else:
            words = "are there already"
        replace_text(folder / LISTING, json.dumps(_listing(plan), indent=2) + "\n")
        say(f"{len(plan.pairs_to_download) * len(plan.timeframes)} series of candles {words}")


def missing_candles(plan: FlowPlan) -> list[str]:
    """List the candles that the rounds need and that are missing.

    A series that begins later than needed is listed too; its coin may be younger.
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


def _fetch(at: Context, folder: Path, say: Say) -> None:
    plan = at.plan
    config = write_config(plan, folder / "download.json", at.market.overlay)
    arguments = [
        "download-data",
        *common_arguments(plan, config),
        *("--pairs", *plan.pairs_to_download),
        *("--timeframes", *plan.timeframes),
        *("--timerange", f"{plan.candles_from:%Y%m%d}-{plan.settings.span.end + timedelta(days=1):%Y%m%d}"),
    ]
    call = call_freqtrade("download", arguments, folder, say)
    if missing_candles(plan):
        # The series begins too late, and by default freqtrade only extends it forward.
        call = call_freqtrade("download-earlier", [*arguments, "--prepend"], folder, say)
    missing = missing_candles(plan)
    unusable = [line for line in missing if line.startswith("no candles")]
    if unusable:
        raise FlowError(
            f"download: freqtrade ended without an error, but {'; '.join(unusable)}. End of its log:\n"
            f"{last_words(call.log)}"
        )
    for line in missing:
        say(line)


def _listing(plan: FlowPlan) -> dict[str, Any]:
    return candles_of(plan, plan.candles_from, midnight(plan.settings.span.end))
