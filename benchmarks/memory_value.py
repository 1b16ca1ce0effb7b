"""Does recall help? Walk-forward information coefficients on real candles, whatever they show.

Per pair and year, the Spearman correlation (IC) of each forecast with what followed over the horizon:

* `recall`: at every decision (each 12 candles), the mean return of the k = 8 episodes that memory recalls, by
  likeness alone and by layers (importance, forgetting, rank), and the gain of the second over the first. No
  agents take part, so what an outcome is compared with is a decision of depth 0; memory is empty at the start
  of the data and only ever grows from the past.
* `LightGBM`: at every candle, FreqAI's features and target (return over 12 candles in expected deviations),
  trained anew every 30 days on the 180 before, without and with the five neighbour features; and the gain of
  the second over the first on the same candles.

Intervals are 95% percentile intervals of the stationary block bootstrap (Politis & Romano 1994) with a mean
block of ten days, on ranks. An IC whose interval holds 0 is no evidence of anything. The last line is the
mean over pairs.

    AGENT_MARKET_TEST_DATA=DATA python benchmarks/memory_value.py [--pairs BTC/USDT ...] [--markdown]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from arch.bootstrap import StationaryBootstrap  # noqa: E402
from datasieve.pipeline import Pipeline  # noqa: E402
from lightgbm import LGBMRegressor  # noqa: E402

from agent_market.config import LayerSettings, MemorySettings  # noqa: E402
from agent_market.features.features import TRAINED  # noqa: E402
from agent_market.features.state import state_matrix  # noqa: E402
from agent_market.freqai.features import add_trained_features  # noqa: E402
from agent_market.freqai.memory_features import add_candle_number  # noqa: E402
from agent_market.memory.episodic import EpisodicMemory  # noqa: E402
from agent_market.memory.neighbour_features import CANDLE, NeighbourFeatures  # noqa: E402
from agent_market.outcomes import measure  # noqa: E402
from agent_market.pipeline.quant import target  # noqa: E402
from agent_market.pipeline.session import Candles  # noqa: E402
from agent_market.records import Decision, Episode, MarketView, RiskResult  # noqa: E402
from agent_market.store.database import Database  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
PAIRS = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "XRP/USDT")
HOUR = 3600
HORIZON = 12
CADENCE = 12
K = 8
NEIGHBOURS = MemorySettings().feature_neighbours
TRAIN, STEP = 180 * 24, 30 * 24
MODEL = {
    "n_estimators": 200,
    "num_leaves": 15,
    "learning_rate": 0.03,
    "min_child_samples": 40,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "n_jobs": 1,
    "random_state": 7,
}
RESAMPLES = 1_000
BLOCK_HOURS = 240
FEWEST = 200
RECALLS = {"recall, likeness": False, "recall, layers": True}
WITHOUT, WITH = "LightGBM", "LightGBM + memory"


@dataclass(frozen=True, slots=True)
class Score:
    """An IC, or a difference of two, with its interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS))
    parser.add_argument("--markdown", action="store_true", help="print the tables of docs/concepts/memory.md")
    options = parser.parse_args()
    folder = Path(os.environ.get("AGENT_MARKET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    candles_folder = folder / "candles" / "binance"
    if not candles_folder.is_dir():
        sys.exit(f"no candles under {candles_folder}; set AGENT_MARKET_TEST_DATA to a folder that has some")
    rows: list[dict[str, object]] = []
    decided, hourly = [], []
    for pair in options.pairs:
        candles = pd.read_feather(candles_folder / f"{pair.replace('/', '_')}-1h.feather")
        candles["date"] = candles["date"].dt.tz_convert("UTC").dt.as_unit("s")
        frame = add_trained_features(candles)
        decided.append(_recalled(pair, candles, frame).assign(pair=pair))
        hourly.append(_predicted(candles, frame).assign(pair=pair))
        for year, part in _years(decided[-1], hourly[-1]):
            rows.append({"pair": pair, "year": year, **_scores(*part)})
            print(" | ".join(str(v) for v in rows[-1].values()), flush=True)
    every = _scores(pd.concat(decided), pd.concat(hourly))
    rows.append({"pair": "all", "year": "all", **every})
    if options.markdown:
        print(_markdown(rows))
    gain, layers = every["features' gain"], every["recall, layers"]
    print(f"all: {' | '.join(f'{k} {v}' for k, v in every.items())}")
    print(
        json.dumps(
            {
                "name": "memory_value",
                "value": round(layers.value, 4),
                "unit": f"IC of recalled mean returns, 95% [{layers.low:.4f}, {layers.high:.4f}]",
                "against": f"LightGBM without memory, IC {every[WITHOUT].value:.4f}; with, {gain} more",
                "ratio": round(every[WITH].value / every[WITHOUT].value, 3),
            }
        )
    )


# --- recall ----------------------------------------------------------------------------------------------


def _recalled(pair: str, candles: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Per decision: when, what followed, and the mean return that each kind of recall foretold."""
    arrays = Candles.of(candles, HOUR)
    features = frame.filter(like=TRAINED).rename(columns=lambda name: name.removeprefix(TRAINED))
    states = state_matrix(features)
    volatility = features["volatility_24"].to_numpy()
    sound = np.isfinite(states).all(axis=1) & (arrays.closes_s // HOUR % CADENCE == 0)
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{scratch}/store.sqlite")
        memories = {
            name: EpisodicMemory(
                database, name, pair, MemorySettings(k=K, k_max=K, layers=LayerSettings(enabled=layered))
            )
            for name, layered in RECALLS.items()
        }
        found = []
        for i in np.flatnonzero(sound).tolist():
            asof = datetime.fromtimestamp(int(arrays.closes_s[i]), tz=UTC)
            view = MarketView(
                pair, "1h", asof, {"volatility_24": float(volatility[i])}, {}, "", tuple(states[i].tolist())
            )
            row: dict[str, object] = {"date": asof}
            for name, memory in memories.items():
                _settle(memory, asof, arrays)
                recall = memory.recall(view)
                returns = [n.market_return for n in recall.neighbours]
                row[name] = sum(returns) / K if len(returns) == K else np.nan
                flat = Decision(f"{pair}@{asof:%Y-%m-%dT%H}", pair, asof, 0.0, "hold", 0.0, {}, {})
                due = asof + timedelta(hours=HORIZON)
                memory.remember(Episode(name, view, recall, (), flat, RiskResult(0.0, "hold"), due))
            outcome = _outcome(arrays, int(arrays.closes_s[i]))
            row["followed"] = np.nan if outcome is None else outcome.market_return
            found.append(row)
        database.close()
    return pd.DataFrame(found)


def _settle(memory: EpisodicMemory, asof: datetime, arrays: Candles) -> None:
    for episode in memory.unsettled():
        if episode.due <= asof:
            outcome = _outcome(arrays, int(episode.view.asof.timestamp()))
            if outcome is not None:
                memory.settle(episode, outcome)


def _outcome(arrays: Candles, asof_s: int):  # type: ignore[no-untyped-def]
    return measure(
        arrays.opens_s, arrays.open, arrays.high, arrays.low, arrays.close, asof_s, HORIZON, HOUR, 0.0
    )


# --- the same model without and with memory ----------------------------------------------------------------


def _predicted(candles: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Per candle after the first training span: when, what followed, and both models' predictions."""
    frame = add_candle_number(frame, HOUR)
    names = [c for c in frame.columns if c.startswith(TRAINED)]
    y = target(candles["close"], frame[f"{TRAINED}volatility_24"], HORIZON).to_numpy()
    x = frame[names]
    whole = x.notna().all(axis=1).to_numpy()
    parts = []
    for start in range(TRAIN, len(candles), STEP):
        stop = min(start + STEP, len(candles))
        # FreqAI cuts the span before it makes targets: those of its last rows are not known yet.
        train = np.arange(start - TRAIN, start - HORIZON)
        train = train[whole[train] & np.isfinite(y[train])]
        test = np.arange(start, stop)
        test = test[whole[test]]
        if len(train) < FEWEST or not len(test):
            continue
        part = {"date": candles["date"].to_numpy()[test], "followed": y[test]}
        for name in (WITHOUT, WITH):
            columns = [c for c in names if name == WITH or c != CANDLE]
            pipeline = Pipeline([("memory", NeighbourFeatures(HORIZON, NEIGHBOURS))] if name == WITH else [])
            learned, labels, _ = pipeline.fit_transform(x.iloc[train][columns], pd.DataFrame({"y": y[train]}))
            model = LGBMRegressor(**MODEL).fit(learned, labels["y"])
            asked, _, _ = pipeline.transform(x.iloc[test][columns])
            part[name] = model.predict(asked)
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


# --- scores ------------------------------------------------------------------------------------------------


def _years(
    decided: pd.DataFrame, hourly: pd.DataFrame
) -> Iterator[tuple[int, tuple[pd.DataFrame, pd.DataFrame]]]:
    for year in sorted(pd.DatetimeIndex(hourly["date"]).year.unique()):
        halves = (part[pd.DatetimeIndex(part["date"]).year == year] for part in (decided, hourly))
        yield int(year), (next(halves), next(halves))


def _scores(decided: pd.DataFrame, hourly: pd.DataFrame) -> dict[str, Score]:
    recalls = _ics(decided, list(RECALLS), BLOCK_HOURS // CADENCE)
    models = _ics(hourly, [WITHOUT, WITH], BLOCK_HOURS)
    return {
        **dict(zip((*RECALLS, "layers' gain"), recalls, strict=True)),
        **dict(zip((WITHOUT, WITH, "features' gain"), models, strict=True)),
    }


def _ics(rows: pd.DataFrame, names: Sequence[str], block: int) -> list[Score]:
    """Score of each name, and of the last minus the first, on the rows where all are known.

    Of several pairs: the mean of their ICs, where all pairs of a moment are drawn together.
    """
    columns = [*names, "followed"]
    known = rows.dropna(subset=columns).set_index(["date", "pair"])[columns]
    ranks = known.groupby(level="pair").rank()
    panel = ranks.unstack("pair").swaplevel(axis=1)
    pairs = list(ranks.index.unique("pair"))
    array = np.stack([panel[pair][columns].to_numpy() for pair in pairs], axis=1)

    def correlations(sample: np.ndarray) -> np.ndarray:
        there = np.isfinite(sample).all(axis=2, keepdims=True)
        count = there.sum(axis=0)
        centred = np.where(there, sample - np.where(there, sample, 0.0).sum(axis=0) / count, 0.0)
        products = np.einsum("tpi,tp->pi", centred, centred[:, :, -1])
        norms = np.sqrt(np.einsum("tpi,tpi->pi", centred, centred))
        ics = (products / (norms * norms[:, -1:]))[:, :-1].mean(axis=0)
        return np.append(ics, ics[-1] - ics[0])

    values = correlations(array)
    bootstrap = StationaryBootstrap(block, array, seed=7)
    low, high = bootstrap.conf_int(correlations, reps=RESAMPLES, method="percentile", size=0.95)
    return [Score(*map(float, row), len(known)) for row in zip(values, low, high, strict=True)]


def _markdown(rows: list[dict[str, object]]) -> str:
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
