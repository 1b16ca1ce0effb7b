"""Kills a real dry-run bot with -9 at seeded random moments, restarts it, and checks the disk after each.

The bot is freqtrade with FreqAI, our model, strategy, gate and threads, on the sandbox exchange and model.
The market's clock moves on as fast as the bot can follow, and stands still or jumps on while it is dead.
"""

from __future__ import annotations

import logging
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_market.config import load_settings
from agent_market.sandbox.market import LiveMarket, SyntheticSource
from agent_market.sandbox.market.candles import DAY, Candles, bucket_start, timeframe_ms
from agent_market.sandbox.market.clock import wall_clock
from tests.helpers.kill_bots import Bots
from tests.helpers.kill_market import lost_answers, wrong_outcomes
from tests.helpers.kill_truth import Truth
from tests.helpers.killed_strategy import CANDLE_MS, Clock
from tests.helpers.workspace import Workspace, make_workspace, merged, sandbox

PAIRS = ("BTC/USDT", "ETH/USDT")
LAG_MS = 60 * 3_600_000
"""Candles are so far behind the wall clock at first, so that they can hurry."""

MOMENTS = {"starting": 2.0, "at work": 5.0, "writing": 3.0}
RETRAINING_MOMENTS = {"starting": 1.0, "at work": 1.0, "writing": 1.0, "training": 7.0}
"""When to kill, and how often then."""

STRATEGY = """
from killed_strategy import Restless


class KilledStrategy(Restless):
    pass
"""

CONFIG: dict[str, Any] = {
    "timeframe": "1m",
    "max_open_trades": 2,
    "stake_amount": 1_000,
    "exchange": {
        "pair_whitelist": list(PAIRS),
        "outdated_offset": 1_000_000,
        "_ft_has_params": {"ohlcv_max_poll_interval_secs": 0},
    },
    "internals": {"process_throttle_secs": 0},
    "freqai": {
        "train_period_days": 3,
        "live_retrain_hours": 24,
        "feature_parameters": {"include_timeframes": ["1m"], "include_corr_pairlist": []},
        "model_training_parameters": {"n_estimators": 20, "n_jobs": 1},
    },
    "agent_market": {
        "jobs": {"outcomes_minutes": 0.001, "costs_minutes": 0.001, "retry_minutes": 0.001},
        "decision": {"cadence_candles": 1, "horizon_candles": 2, "gate_min_candles": 1},
        "sizing": {"mode": "threshold"},
        "risk": {
            "liquidity": {"volume_share": 1.0, "depth_share": 1.0, "depth_band": 0.5, "max_spread": 0.1},
            "breaker": {
                "stale_candles": 1e9,
                "stale_ticks_s": 1e9,
                "day_loss": 1.0,
                "crashing_move": 1.0,
                "flash_crash": 1.0,
                "volatility_spike": 1e9,
            },
        },
    },
}


RETRAINING: dict[str, Any] = {
    "freqai": {"live_retrain_hours": 1e-6, "continual_learning": True},
    "agent_market": {
        "decision": {
            "weighting": "two_stage",
            "nets": {"least_outcomes": 40, "level": 0.99, "epochs": 2, "hidden": 8, "device": "cpu"},
        }
    },
}
"""The quant all the time, and with it nets of few outcomes behind a gate that lets nearly all through."""


class ClosedCandles(LiveMarket):
    """Candles that have closed, and no other: freqtrade would take one of the past for a whole one."""

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        closed = bucket_start(self.now(), timeframe_ms(timeframe))
        return self._source.candles(pair, timeframe, start, min(end, closed))


@dataclass
class Report:
    """What became of the kills. `moments` counts them by what the bot was doing."""

    truth: Truth
    source: SyntheticSource
    workspace: Workspace
    moments: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return self.moments.total()

    def problems(self) -> list[str]:
        """All that was found after any kill, and what only the whole market shows, now."""
        url = f"sqlite:///{self.truth.user_data / 'agent_market.sqlite'}"
        settings = load_settings(CONFIG)
        wrong = [
            f"{name} has the outcome of another market" for name in wrong_outcomes(url, self.source, settings)
        ]
        lost = [f"{name} rests on an answer that is gone" for name in lost_answers(url)]
        return [*self.truth.problems, *wrong, *lost]

    def table(self) -> str:
        """What was done and found, a line each."""
        truth = self.truth
        settled = sum(row.outcome is not None for row in truth.rows.values())
        moments = ", ".join(f"{count} {name}" for name, count in sorted(self.moments.items()))
        lines = {
            "kills": f"{self.kills} ({moments}), {self.seconds / max(self.kills, 1):.2f} s each",
            "with open trades": str(truth.with_open_trades),
            "within a transaction": f"{truth.within_a_write}, of them kept whole {truth.writes_kept}",
            "decisions": f"{len(truth.rows)} told as written, {settled} of them with an outcome",
            "outcomes": f"{truth.settled_by_job} of them by the job beside the loop",
            "trades": f"{len(truth.trades)}, {sum(not t[3] for t in truth.trades.values())} seen closed",
            "trained": f"{truth.trained} models, {truth.within_a_training} kills within a training, "
            f"{truth.within_a_save} as it saved",
            "switched": f"{truth.switched} times (kill switch, mode, breaker)",
        }
        return "\n".join(f"{name:21} {value}" for name, value in lines.items())


@contextmanager
def killed_bots(
    folder: Path, seed: int = 11, retraining: bool = False
) -> Iterator[tuple[Report, Callable[[], None]]]:
    """A sandbox and a trained bot, already killed once, and how to start, kill and check it once more.

    Leaving ends every process.

    :param retraining: train all the time, the nets too, and kill within it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    clock = Clock(folder)
    clock.write(wall_clock() // CANDLE_MS * CANDLE_MS - LAG_MS)
    source = SyntheticSource(seed, PAIRS, clock.read() // DAY * DAY - 5 * DAY)
    with sandbox(ClosedCandles(source, clock=clock.read)) as (endpoints, _):
        # That a client was killed is news to the server, and none to us.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        workspace = make_workspace(folder, endpoints)
        (workspace.user_data / "strategies" / "KilledStrategy.py").write_text(STRATEGY)
        workspace.config(merged(CONFIG, RETRAINING) if retraining else CONFIG)
        report = Report(Truth(folder), source, workspace)
        bots = Bots(workspace, folder)
        try:
            bots.start()
            for pair in PAIRS:  # trained, and decided on
                bots.wait_for(f'"writing", "batch": [["{pair}"')
                bots.wait_for('"written"')
            if retraining:
                bots.wait_for_log("nets trained from the last window's nets")
            bots.kill()
            report.truth.check()
            dice = random.Random(seed)
            moments = RETRAINING_MOMENTS if retraining else MOMENTS
            yield report, lambda: _once(bots, report, clock, dice, moments)
        finally:
            bots.close()


def _once(
    bots: Bots, report: Report, clock: Clock, dice: random.Random, moments: Mapping[str, float]
) -> None:
    """Start, kill at a random moment, check."""
    began = time.monotonic()
    bots.start()
    moment = dice.choices(list(moments), list(moments.values()))[0]
    if moment == "starting":
        time.sleep(dice.uniform(0.0, 0.5))
    elif moment == "at work":
        bots.wait_for('"looped"')
        time.sleep(dice.uniform(0.0, 2.5))
    elif moment == "training":
        bots.wait_for('"training"')
        if dice.random() < 0.3:
            time.sleep(dice.uniform(0.0, 1.0))
        else:
            bots.wait_for('"saving"')
            time.sleep(dice.random() * dice.choice((0.003, 0.03, 0.1)))  # as long as a save may take
    else:
        for _ in range(dice.randint(1, 6)):
            bots.wait_for('"writing"')
        time.sleep(dice.uniform(0.0, 0.02))
    bots.kill()
    report.moments[moment] += 1
    report.truth.check()
    if dice.random() < 0.5:
        clock.advance(dice.randrange(4))
    report.seconds += time.monotonic() - began
