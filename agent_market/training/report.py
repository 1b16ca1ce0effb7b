"""The result of a training: a record, a JSON file, and lines for the next round's prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from agent_market.reports.text import number, percent, signed, signed_percent
from agent_market.training.metrics import PredictionMetrics

SCHEMA = "agent-market/training/1"


@dataclass(frozen=True, slots=True)
class BacktestMetrics:
    """freqtrade's backtest of the model over the test span, after costs. Fractions; None if undefined.

    `sharpe` is annualised; `buy_and_hold` is the return of holding the same pairs, None without candles.
    """

    profit: float
    sharpe: float | None
    win_rate: float | None
    max_drawdown: float
    trades: int
    buy_and_hold: float | None


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """Result of a training. `params` are the chosen ones, over the defaults; `trials` counts the search.

    `known_at` is the time at which the newest outcome behind a figure became known.
    """

    name: str
    model: str
    task: str
    label: str
    params: Mapping[str, Any]
    features: int
    train_rows: int
    offline: PredictionMetrics
    backtest: BacktestMetrics | None
    trials: int
    known_at: datetime
    scope: str
    round: int
    fingerprint: str
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values without clock times and paths, so that equal trainings write equal files."""
        return {"schema": SCHEMA, **asdict(self), "known_at": self.known_at.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def to_json(self) -> str:
        """Return `as_dict` as JSON with sorted keys."""
        return json.dumps(self.as_dict(), indent=2, sort_keys=True, allow_nan=False, default=str) + "\n"

    @property
    def feedback_lines(self) -> tuple[str, ...]:
        """Return lines for prompts; they hold no pair, date or price."""
        lines = [
            f"Model {self.model} on {self.label}, {self.offline.rows} later rows: {_facts(self.offline)}."
        ]
        done = self.backtest
        if done is not None:
            won = "" if done.win_rate is None else f", {percent(done.win_rate, 0)} of them won"
            held = "" if done.buy_and_hold is None else f"; buy and hold {signed_percent(done.buy_and_hold)}"
            lines.append(
                f"Traded, it made {signed_percent(done.profit)} after costs with {done.trades} trades{won}; "
                f"its deepest fall from a high was {percent(done.max_drawdown)}{held}."
            )
        if self.trials > 1:
            chosen = ", ".join(f"{k} {_short(v)}" for k, v in sorted(self.params.items()))
            lines.append(f"Best of {self.trials} trials on earlier rows: {chosen}.")
        return tuple(lines)


def _facts(metrics: PredictionMetrics) -> str:
    if metrics.gain is not None and metrics.base_gain is not None:
        always = signed_percent(metrics.base_gain)
        return f"earned {signed_percent(metrics.gain)} after cost, always long {always}"
    parts = []
    if metrics.r2 is not None:
        parts.append(f"R2 {signed(number(metrics.r2, 4))}")
    if metrics.rank_ic is not None:
        parts.append(f"rank correlation {signed(number(metrics.rank_ic, 3))}")
    if metrics.hit_rate is not None and metrics.base_rate is not None:
        parts.append(f"right in {percent(metrics.hit_rate)} (always the same: {percent(metrics.base_rate)})")
    if metrics.calibration_error is not None:
        parts.append(f"calibration error {number(metrics.calibration_error, 3)}")
    return ", ".join(parts) or "it said the same for every row"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
