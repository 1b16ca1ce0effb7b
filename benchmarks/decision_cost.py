"""What one decision costs in calls, in waiting and in tokens, counted by the model server itself.

A backtest through freqtrade, committee and gate as a trader runs it, once for each way of debating; the
sandbox counts calls and tokens (`usage`), and this script the rounds of calls that had to wait for another
(the critical path), each call taking 50 ms longer than it would.  Tokens are the sandbox's, a quarter of the
UTF-8 bytes (docs/reference/sandbox-model.md); a byte-pair tokenizer gives about as many for prose, more for
numbers.

Tokens per candle are those of `auto`, the default, and hold for all real candles where there are some: the
share that cadence and gate decide on, times the mean tokens of a decision, debated ones among them.  `value`
is input plus output tokens of one compact decision.  Against it, TradingAgents 0.3.0: 18 calls one after
another and about 73,000 tokens for one decision, counted at the same server.

    python benchmarks/decision_cost.py [--days 60] [--pairs 5]

Real candles are used where they are found (AGENT_MARKET_TEST_DATA or ../shared/data), else synthetic ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from starlette.types import ASGIApp, Receive, Scope, Send  # noqa: E402

from agent_market.config import DecisionSettings  # noqa: E402
from agent_market.features.features import market_features  # noqa: E402
from agent_market.pipeline.cadence import decision_points  # noqa: E402
from agent_market.pipeline.session import close_times  # noqa: E402
from agent_market.sandbox.endpoints import overlay  # noqa: E402
from agent_market.sandbox.exchange import create_exchange_app  # noqa: E402
from agent_market.sandbox.market import FeatherSource, Market, StandingMarket, SyntheticSource  # noqa: E402
from agent_market.sandbox.model import create_model_app  # noqa: E402
from agent_market.sandbox.server import running  # noqa: E402
from agent_market.store.database import Database, store_url  # noqa: E402
from agent_market.store.episodes import debated  # noqa: E402
from tests.helpers.workspace import Workspace, make_workspace  # noqa: E402

PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT"]
TRAIN_DAYS = 60
MODES = ("compact", "auto", "full")
PEER_CALLS, PEER_TOKENS = 18, 73_000
CALL_S = 0.05
HOUR_S = 3_600

CALLS_LIMIT, PATH_LIMIT, INPUT_LIMIT, OUTPUT_LIMIT, CANDLE_LIMIT = 5, 2, 8_000, 1_000, 400


@dataclass(slots=True)
class Rounds:
    """Calls under way, and how often one began when all earlier ones had ended."""

    under_way: int = 0
    count: int = 0


class CountRounds:
    """ASGI middleware: every call takes a little longer, and rounds of calls are counted."""

    def __init__(self, app: ASGIApp, rounds: Rounds) -> None:
        self._app = app
        self._rounds = rounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self._rounds.count += self._rounds.under_way == 0
        self._rounds.under_way += 1
        try:
            await asyncio.sleep(CALL_S)
            await self._app(scope, receive, send)
        finally:
            self._rounds.under_way -= 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Means of one decision, the share of decisions with a full debate, and tokens per candle and pair."""

    decisions: int
    calls: float
    path: float
    prompt_tokens: float
    completion_tokens: float
    tokens_per_candle: float
    debated: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    source, start, name = market()
    pairs = PAIRS[: options.pairs]
    print(f"{options.days} days of {len(pairs)} pairs, 1h, {name}")
    costs = {mode: measure(source, mode, pairs, start, options.days) for mode in MODES}
    for mode, cost in costs.items():
        print(
            f"{mode:>8}: {cost.decisions:4d} decisions, {cost.calls:5.2f} calls, critical path "
            f"{cost.path:5.2f}, {cost.prompt_tokens:8,.0f} tokens in + {cost.completion_tokens:6,.0f} out, "
            f"{cost.tokens_per_candle:6,.0f} a candle, {cost.debated:.1%} debated in full"
        )
    print(
        f"TradingAgents 0.3.0: {PEER_CALLS} calls, critical path {PEER_CALLS}, about {PEER_TOKENS:,} tokens"
    )
    compact, auto = costs["compact"], costs["auto"]
    share = decided_share()
    if share is not None:
        tokens = share * (auto.prompt_tokens + auto.completion_tokens)
        print(f"all real candles: {share:.2%} are decided on, {tokens:,.0f} tokens a candle in auto")
        costs["auto"] = auto = replace(auto, tokens_per_candle=tokens)
    value = compact.prompt_tokens + compact.completion_tokens
    result = {
        "name": "decision_cost",
        "value": round(value),
        "unit": "tokens/decision",
        "against": f"TradingAgents 0.3.0: {PEER_TOKENS:,} tokens and {PEER_CALLS} calls a decision",
        "ratio": round(value / PEER_TOKENS, 4),
        "modes": {mode: {k: round(getattr(c, k), 4) for k in Cost.__slots__} for mode, c in costs.items()},
    }
    print(json.dumps(result))
    sys.exit(broken(compact, auto))


def broken(compact: Cost, auto: Cost) -> str | None:
    """Which limit the compact decision or the default mode breaks, if any."""
    limits = {
        "calls": (compact.calls, CALLS_LIMIT),
        # A busy machine starts a call so late now and then that it seems to have waited for its neighbour.
        "critical path": (round(compact.path, 1), PATH_LIMIT),
        "tokens in": (compact.prompt_tokens, INPUT_LIMIT),
        "tokens out": (compact.completion_tokens, OUTPUT_LIMIT),
        "tokens per candle": (auto.tokens_per_candle, CANDLE_LIMIT),
    }
    over = [
        f"{name}: {value:,.2f} is over {limit:,}" for name, (value, limit) in limits.items() if value > limit
    ]
    return "; ".join(over) or None


def candle_folder() -> Path | None:
    """Where real candles are, if anywhere."""
    folder = Path(os.environ.get("AGENT_MARKET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    candles = folder / "candles" / "binance"
    return candles if candles.is_dir() else None


def decided_share() -> float | None:
    """Share of all real 1h candles of all pairs on which cadence and gate ask for a decision."""
    folder = candle_folder()
    if folder is None:
        return None
    decided = candles = 0
    for file in sorted(folder.glob("*-1h.feather")):
        frame = pd.read_feather(file)
        volatility = market_features(frame)["volatility_24"].to_numpy()
        closes = close_times(frame["date"], HOUR_S)
        points = decision_points(
            closes, frame["close"].to_numpy(), volatility, HOUR_S, DecisionSettings(), None
        )
        decided += len(points)
        candles += int(np.isfinite(volatility).sum())
    return decided / candles


def market() -> tuple[Market, datetime, str]:
    """The market to test on, a start for the backtest, and its name."""
    candles = candle_folder()
    if candles is not None:
        return StandingMarket(FeatherSource(candles)), datetime(2023, 1, 1, tzinfo=UTC), "real candles"
    return StandingMarket(SyntheticSource(seed=7)), datetime(2024, 1, 1, tzinfo=UTC), "synthetic candles"


def measure(source: Market, mode: str, pairs: list[str], start: datetime, days: int) -> Cost:
    """One backtest on an empty store."""
    end = start + timedelta(days=days)
    rounds = Rounds()
    app = create_model_app()
    app.add_middleware(CountRounds, rounds=rounds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        exchange = stack.enter_context(running(create_exchange_app(source)))
        model = stack.enter_context(running(app))
        workspace = make_workspace(folder, overlay(exchange, model))
        workspace.config(changes(pairs, mode))
        prepare(workspace, start - timedelta(days=TRAIN_DAYS + 30), end)
        timerange = f"{start:%Y%m%d}-{end:%Y%m%d}"
        done = workspace.backtest(timerange, "--export", "none", timeout=3600)
        if done.code != 0:
            sys.exit(f"the backtest failed:\n{done.output[-4000:]}")
        decisions, debates = len(workspace.episodes()), debates_of(workspace)
        with urllib.request.urlopen(f"{model}/admin/usage") as reply:
            usage = json.load(reply)
    candles = days * 24 * len(pairs)
    return Cost(
        decisions=decisions,
        calls=usage["calls"] / decisions,
        path=rounds.count / decisions,
        prompt_tokens=usage["prompt_tokens"] / decisions,
        completion_tokens=usage["completion_tokens"] / decisions,
        tokens_per_candle=usage["total_tokens"] / candles,
        debated=debates / decisions,
    )


def debates_of(workspace: Workspace) -> int:
    """How many decisions of the newest run a full debate led to."""
    manifest = workspace.manifest()
    database = Database(store_url(manifest.store_url, workspace.user_data))
    try:
        return len(debated(database, manifest.scope))
    finally:
        database.close()


def changes(pairs: list[str], mode: str) -> dict[str, object]:
    """Config changes for one way of debating."""
    return {
        "exchange": {"pair_whitelist": pairs},
        "freqai": {
            "train_period_days": TRAIN_DAYS,
            "backtest_period_days": 30,
            "model_training_parameters": {"n_estimators": 50, "n_jobs": 1},
        },
        "agent_market": {"agents": {"debate": {"mode": mode}}},
    }


def prepare(workspace: Workspace, start: datetime, end: datetime) -> None:
    """Download the candles that the backtest needs."""
    downloaded = workspace.download(f"{start:%Y%m%d}-{end:%Y%m%d}")
    if downloaded.code != 0:
        sys.exit(f"no candles:\n{downloaded.output[-4000:]}")


if __name__ == "__main__":
    main()
