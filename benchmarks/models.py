"""Every regressor and classifier on the same rows: what it costs to fit and ask, and what it says about
later rows.

The rows are the strategy's own features of real hourly candles of two pairs (AGENT_MARKET_TEST_DATA or
../shared/data), else of random ones; they are split in time and purged, one process, one thread.  `value` is
the rate at which CatBoost learns (row-trees a second), `ratio` that to LightGBM's, both with the same number
of trees and depth.  Rank IC near 0 is the honest answer for hourly candles; the table is there to see that
no model is better by accident of its defaults, and what it takes.

    python benchmarks/models.py [--years 1] [--trees 100]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "datasets"))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from agent_market.training.datasets.dataset import Dataset  # noqa: E402
from agent_market.training.datasets.features import FeatureDatasetBuilder  # noqa: E402
from agent_market.training.datasets.labels import LabelSettings  # noqa: E402
from agent_market.training.feature_builder import FeatureBuilder  # noqa: E402
from agent_market.training.metrics import PredictionMetrics, measure  # noqa: E402
from agent_market.training.models.registry import make_model  # noqa: E402
from agent_market.training.scaling import Scaler  # noqa: E402
from tests.helpers.market_files import freqtrade_config, write_market  # noqa: E402

LABELS = (LabelSettings(), LabelSettings(kind="up"))
TREES = ("lightgbm", "xgboost", "catboost")
NETS = {"epochs": 2, "patience": 2, "device": "cpu"}
ENSEMBLES = ("stacking", "blending")


@dataclass(frozen=True, slots=True)
class Line:
    """One model on one label; seconds of process time."""

    model: str
    label: str
    fit_s: float
    ask_s: float
    megabytes: float
    metrics: PredictionMetrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, default=1)
    parser.add_argument("--trees", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        candles, span, name = market(Path(folder), options.years)
        strategies = REPOSITORY / "user_data" / "strategies"
        kitchen = FeatureBuilder(
            freqtrade_config(), "AgentMarketStrategy", Path(folder), candles, span, strategies
        )
        dataset = FeatureDatasetBuilder(kitchen, LABELS).build()
    console = Console(width=120)
    console.print(f"{name}, {span}, {len(dataset):,} rows, {dataset.features.shape[1]} features")
    lines = [
        measured(model, label, dataset, kitchen, parameters(model, options.trees))
        for label in LABELS
        for model in (*TREES, "mlp", "lstm", "transformer", *ENSEMBLES)
    ]
    console.print(table(lines))
    rate = {line.model: options.trees / line.fit_s for line in lines if line.label == LABELS[0].name}
    rows = len(dataset.purged_split(LABELS[0].name, 0.25)[0])
    print(
        json.dumps(
            {
                "name": "models",
                "value": round(rate["catboost"] * rows),
                "unit": "row-trees/s of CatBoost",
                "against": "LightGBM, same rows, trees and depth, one thread",
                "ratio": round(rate["catboost"] / rate["lightgbm"], 3),
                "rank_ic": {
                    f"{line.model} {line.label}": round(line.metrics.rank_ic or 0.0, 4) for line in lines
                },
                "fit_s": {f"{line.model} {line.label}": round(line.fit_s, 2) for line in lines},
            }
        )
    )


def market(folder: Path, years: int) -> tuple[Path, str, str]:
    """Folder of candles, span and name."""
    data = Path(os.environ.get("AGENT_MARKET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    candles = data / "candles" / "binance"
    if candles.is_dir():
        return candles, f"{2024 - years}0101-20240101", "real candles of BTC and ETH"
    return write_market(folder / "data", hours=24 * 365), "20240120-20241201", "random candles"


def parameters(model: str, trees: int) -> dict[str, Any]:
    """The same number of trees for all boosted ones, and no early stop to blur the cost."""
    boosted = {"trees": trees, "patience": trees}
    if model in TREES:
        return boosted
    if model in ENSEMBLES:
        return {"members": [{"model": name, "params": {"trees": trees}} for name in TREES]}
    return NETS


def measured(
    model: str, label: LabelSettings, dataset: Dataset, kitchen: FeatureBuilder, params: dict[str, Any]
) -> Line:
    train, test = dataset.purged_split(label.name, 0.25)
    older, newer = train.purged_split(label.name, 0.15)
    scaler = Scaler(kitchen).fitted(older)
    learned, later, judged = (scaler.apply(part).samples(label.name) for part in (older, newer, test))
    task = "classification" if label.kind == "up" else "regression"
    made = make_model(model, params, task)
    began = time.process_time()
    made.fit(learned, later)
    fitted = time.process_time()
    made.predict(judged.features, judged.groups)
    asked = time.process_time()
    size = len(made.to_bytes()) / 1e6
    return Line(model, label.name, fitted - began, asked - fitted, size, measure(made, learned, judged))


def table(lines: list[Line]) -> Table:
    shown = Table(title="one thread, process seconds; later rows only")
    headings = (
        "model",
        "label",
        "fit s",
        "ask µs/row",
        "MB",
        "R2",
        "rank IC",
        "right",
        "always",
        "calib. error",
    )
    for n, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if n > 1 else "left", no_wrap=True)
    for line in lines:
        m = line.metrics
        shown.add_row(
            line.model,
            line.label,
            f"{line.fit_s:.2f}",
            f"{line.ask_s / m.rows * 1e6:.1f}",
            f"{line.megabytes:.2f}",
            "" if m.r2 is None else f"{m.r2:+.4f}",
            "" if m.rank_ic is None else f"{m.rank_ic:+.3f}",
            "" if m.hit_rate is None else f"{m.hit_rate:.1%}",
            "" if m.base_rate is None else f"{m.base_rate:.1%}",
            "" if m.calibration_error is None else f"{m.calibration_error:.3f}",
        )
    return shown


if __name__ == "__main__":
    main()
