"""Factors scored per second, on one core, against plain pandas, Qlib's expression engine and gplearn.

Five pairs of real hourly candles, tiled to ten; 1,000 seeded random factors of mean size 6; each is
evaluated on the whole history and screened (IC, rank IC, ICIR, coverage).  Times are CPU time.

* pandas: the first of the same trees, written as one would in plain pandas, with the same screening.  Pandas
  has nothing built in for `decay_linear`, `ts_slope` and the arg-extremes; the ratio without trees that use
  them is printed beside the one over all.
* Qlib and gplearn: the trees that they can express, each in an environment of its own (`--qlib`, `--gplearn`
  name the interpreter).  Qlib is timed for evaluation alone, gplearn with its own fitness; we for both.

    python benchmarks/factors.py [--trees 1000] [--pandas-trees 100] [--qlib PYTHON] [--gplearn PYTHON]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import numpy as np
import pandas as pd

from agent_market.factors import reference
from agent_market.factors.engine import Engine
from agent_market.factors.generate import random_factor
from agent_market.factors.operators import OPERATORS, full_enough
from agent_market.factors.panel import CandlePanel
from agent_market.factors.scoring.scorer import Scorer
from agent_market.factors.tree import FIELD, NUMBER, Tree
from agent_market.factors.types import RATIO

SEED = 7
PAIRS = ("BTC", "ETH", "BNB", "SOL", "XRP")
COPIES = 2
PEERS = Path(__file__).with_name("factors_peers")
NOT_BUILT_IN = frozenset(("decay_linear", "ts_slope", "ts_argmin", "ts_argmax"))
MEMORY_LIMIT = 2 << 30

Frame = pd.DataFrame


def main() -> None:
    options = _options()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    panel = _panel(options.data)
    random = np.random.default_rng(SEED)
    trees = [random_factor(random) for _ in range(options.trees)]
    print(f"{len(trees)} factors, mean size {np.mean([tree.size for tree in trees]):.2f}, "
          f"on {len(panel.times)} hours x {len(panel.pairs)} pairs")  # fmt: skip
    started = time.process_time()
    _warm_up(panel, trees)
    print(f"loading or compiling kernels: {time.process_time() - started:.1f} s")

    seconds, engine, screened = _ours(panel, trees)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rate = len(trees) / seconds
    print(f"ours: {rate:.0f} factors a second, evaluation {screened['evaluation']:.0%} of it; "
          f"{engine.hits / (engine.hits + engine.misses):.0%} of subtrees found again; "
          f"peak memory {memory / 2**20:.0f} MiB")  # fmt: skip

    ratio, everything = _against_pandas(panel, trees[: options.pandas_trees])
    peers = {}
    if options.qlib:
        peers["qlib"] = _against_qlib(panel, trees, options.qlib)
    if options.gplearn:
        peers["gplearn"] = _against_gplearn(panel, options.gplearn)
    for name in {"qlib", "gplearn"} - set(peers):
        print(f"{name}: not run; --{name} names the interpreter of an environment that has it")
    result = {
        "name": "factors",
        "value": round(rate, 1),
        "unit": "factors scored per second",
        "against": f"the first {options.pandas_trees} of the same trees and their screening in plain pandas",
        "ratio": round(everything, 1),
        "ratio_of_built_in_operators": round(ratio, 1),
        "ratio_qlib": peers.get("qlib"),
        "ratio_gplearn": peers.get("gplearn"),
        "peak_memory_mib": round(memory / 2**20),
        "memory_within_limit": memory < MEMORY_LIMIT,
    }
    print(json.dumps(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AGENT_MARKET_TEST_DATA", beside)))
    parser.add_argument("--trees", type=int, default=1_000)
    parser.add_argument("--pandas-trees", type=int, default=100)
    parser.add_argument("--qlib", help="interpreter of an environment that has pyqlib")
    parser.add_argument("--gplearn", help="interpreter of an environment that has gplearn")
    options = parser.parse_args()
    if not (options.data / "candles").is_dir():
        sys.exit(f"no candles in {options.data}; set AGENT_MARKET_TEST_DATA or --data")
    return options


def _panel(data: Path) -> CandlePanel:
    candles = {}
    for copy in range(COPIES):
        for pair in PAIRS:
            frame = pd.read_feather(data / "candles" / "binance" / f"{pair}_USDT-1h.feather")
            candles[f"{pair}/USDT#{copy}"] = frame
    return CandlePanel.from_candles(candles, 60)


def _warm_up(panel: CandlePanel, trees: Sequence[Tree]) -> None:
    small = panel.window(0, 3_000)
    engine, scorer = Engine(small), Scorer(small)
    for tree in trees:
        scorer.screen(engine.evaluate(tree))


def _ours(panel: CandlePanel, trees: Sequence[Tree]) -> tuple[float, Engine, dict[str, float]]:
    """Seconds for all trees from nothing but the panel; equal trees are scored once."""
    started = time.process_time()
    engine, scorer = Engine(panel), Scorer(panel)
    engine.expect(trees)
    done = {}
    evaluating = 0.0
    for tree in trees:
        if tree.digest in done:
            continue
        before = time.process_time()
        values = engine.evaluate(tree)
        evaluating += time.process_time() - before
        done[tree.digest] = scorer.screen(values)
    seconds = time.process_time() - started
    return seconds, engine, {"evaluation": evaluating / seconds}


def _against_pandas(panel: CandlePanel, trees: Sequence[Tree]) -> tuple[float, float]:
    """Their seconds over ours: on trees of built-in operators, and on all."""
    with_pandas = _Pandas(panel)
    ours = _each(lambda tree, engine, scorer: scorer.screen(engine.evaluate(tree)), panel, trees)
    theirs, equal = [], 0
    scorer = Scorer(panel)
    for tree in trees:
        started = time.process_time()
        values = with_pandas.evaluate(tree)
        found = with_pandas.screen(values)
        theirs.append(time.process_time() - started)
        mine = scorer.screen(Engine(panel).evaluate(tree)).rank_ic.mean
        equal += abs(mine - found) < 1e-4 or (np.isnan(mine) and np.isnan(found))
    plain = np.array([not NOT_BUILT_IN & {node.operator for node in tree.walk()} for tree in trees])
    theirs_s, ours_s = np.array(theirs), np.array(ours)
    ratio = float(theirs_s[plain].sum() / ours_s[plain].sum())
    everything = float(theirs_s.sum() / ours_s.sum())
    rate = len(trees) / theirs_s.sum()
    print(f"pandas: {rate:.2f} a second on the first {len(trees)}; ratio {ratio:.1f} on "
          f"{plain.sum()} trees of built-in operators, {everything:.1f} on all; median tree "
          f"{np.median(theirs_s / ours_s):.1f}; same mean rank IC for {equal} of {len(trees)}")  # fmt: skip
    return ratio, everything


def _each(
    work: Callable[[Tree, Engine, Scorer], object], panel: CandlePanel, trees: Sequence[Tree]
) -> list[float]:
    """Seconds of each tree with an empty cache: nothing is shared between them."""
    scorer = Scorer(panel)
    seconds = []
    for tree in trees:
        started = time.process_time()
        work(tree, Engine(panel), scorer)
        seconds.append(time.process_time() - started)
    return seconds


class _Pandas:
    """The same work in plain pandas: frames of times x pairs."""

    def __init__(self, panel: CandlePanel) -> None:
        self._frames = {name: panel.frame(values).copy() for name, values in panel.columns.items()}
        scorer = Scorer(panel)
        self._rows = scorer.sample.rows
        self._after = panel.frame(panel.columns["close"]).iloc[self._rows].copy()
        self._after[:] = scorer.sample.returns[scorer.settings.horizon]

    def evaluate(self, tree: Tree) -> Frame:
        if tree.operator == FIELD:
            return self._frames[str(tree.constants[0])]
        if tree.operator == NUMBER:
            close = self._frames["close"]
            return pd.DataFrame(float(tree.constants[0]), index=close.index, columns=close.columns)
        inputs = [self.evaluate(child) for child in tree.children]
        compute = PLAIN.get(tree.operator) or reference.REFERENCE[tree.operator]
        with np.errstate(all="ignore"):
            result = compute(*inputs, *tree.constants)
        return result.where(np.isfinite(result)) if tree.operator in _MAY_OVERFLOW else result

    def screen(self, values: Frame) -> float:
        """Mean rank IC; IC and ICIRs are computed as well, since ours are."""
        sampled = values.iloc[self._rows]
        there = sampled.notna() & self._after.notna()
        x, y = sampled.where(there), self._after.where(there)
        enough = there.sum(axis=1) >= 3
        plain = x.corrwith(y, axis=1)[enough]
        ranked = x.rank(axis=1).corrwith(y.rank(axis=1), axis=1)[enough]
        _ = plain.mean() / plain.std(), ranked.mean() / ranked.std(), there.mean().mean()
        return float(ranked.mean())


_MAY_OVERFLOW = frozenset(
    ("div", "ts_return", "log", "zscore", "ts_position", "ts_beta", "cs_zscore", "cs_scale")
)


def _decay(x: Frame, window: int) -> Frame:
    """Shifted and weighted copies: much faster than `rolling.apply`."""
    total, weights = 0.0, 0.0
    filled, there = x.fillna(0.0), x.notna().astype(float)
    for age in range(window):
        total = total + filled.shift(age, fill_value=0.0) * (window - age)
        weights = weights + there.shift(age, fill_value=0.0) * (window - age)
    return (total / weights).where(there.rolling(window, min_periods=1).sum() >= full_enough(window))


def _slope(x: Frame, window: int) -> Frame:
    steps = pd.DataFrame(
        np.tile(np.arange(len(x.index), dtype=float)[:, None], x.shape[1]), x.index, x.columns
    )
    steps = steps.where(x.notna())
    rolled = x.rolling(window, min_periods=full_enough(window))
    return rolled.cov(steps) / steps.rolling(window, min_periods=full_enough(window)).var()


def _age(largest: Callable[[np.ndarray], int]) -> Callable[[Frame, int], Frame]:
    def compute(x: Frame, window: int) -> Frame:
        found = x.rolling(window, min_periods=full_enough(window)).apply(largest, raw=True)
        return 1 - found / (window - 1)

    return compute


PLAIN: dict[str, Callable[..., Frame]] = {
    "ts_ema": lambda x, span: x.ewm(span=span, adjust=True, ignore_na=False).mean(),
    "decay_linear": _decay,
    "ts_slope": _slope,
    "ts_argmax": _age(np.argmax),
    "ts_argmin": _age(np.argmin),
    "ts_corr": lambda x, y, w: x.rolling(w, min_periods=full_enough(w)).corr(y),
    "ts_cov": lambda x, y, w: x.rolling(w, min_periods=full_enough(w)).cov(y),
    "ts_skew": lambda x, w: x.rolling(w, min_periods=full_enough(w)).skew(),
    "ts_kurt": lambda x, w: x.rolling(w, min_periods=full_enough(w)).kurt(),
}
"""Where the reference takes care of corners at a cost, plain pandas as it is mostly written."""


QLIB = {
    "add": "Add({0},{1})", "sub": "Sub({0},{1})", "mul": "Mul({0},{1})", "div": "Div({0},{1})",
    "neg": "Mul({0},-1.0)", "abs": "Abs({0})", "sign": "Sign({0})", "log": "Log({0})",
    "min": "Less({0},{1})", "max": "Greater({0},{1})", "gt": "Gt({0},{1})", "ge": "Ge({0},{1})",
    "if_else": "If({0},{1},{2})", "delay": "Ref({0},{1})", "delta": "Delta({0},{1})",
    "ts_return": "Sub(Div({0},Ref({0},{1})),1.0)", "ts_sum": "Sum({0},{1})", "ts_mean": "Mean({0},{1})",
    "ts_std": "Std({0},{1})", "zscore": "Div(Sub({0},Mean({0},{1})),Std({0},{1}))",
    "ts_skew": "Skew({0},{1})", "ts_kurt": "Kurt({0},{1})",
    "ts_min": "Min({0},{1})", "ts_max": "Max({0},{1})",
    "ts_argmin": "IdxMin({0},{1})", "ts_argmax": "IdxMax({0},{1})",
    "ts_position": "Div(Sub({0},Min({0},{1})),Sub(Max({0},{1}),Min({0},{1})))",
    "ts_rank": "Rank({0},{1})", "ts_median": "Med({0},{1})", "decay_linear": "WMA({0},{1})",
    "ts_ema": "EMA({0},{1})", "ts_slope": "Slope({0},{1})", "ts_corr": "Corr({0},{1},{2})",
    "ts_cov": "Cov({0},{1},{2})",
}  # fmt: skip
"""The same operator in Qlib (some corners, such as NaN and the length of its EMA, differ)."""


def _qlib_text(tree: Tree) -> str:
    if tree.operator == FIELD:
        return f"F('{tree.constants[0]}')"
    if tree.operator == NUMBER:
        return repr(float(tree.constants[0]))
    return QLIB[tree.operator].format(*map(_qlib_text, tree.children), *tree.constants)


def _against_qlib(panel: CandlePanel, trees: Sequence[Tree], interpreter: str) -> float:
    names = frozenset(QLIB) | {FIELD}
    chosen = [tree for tree in trees if all(node.operator in names for node in tree.walk())][:100]
    slow = frozenset(("ts_argmin", "ts_argmax", "decay_linear"))
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "columns.npz", **panel.columns)
        (Path(folder) / "qlib.json").write_text(json.dumps([_qlib_text(tree) for tree in chosen]))
        seconds = _peer(interpreter, "qlib_engine.py", folder)
    chosen = [tree for tree, each in zip(chosen, seconds, strict=True) if each is not None]
    theirs = np.array([each for each in seconds if each is not None])
    ours = np.array(_each(lambda tree, engine, scorer: scorer.screen(engine.evaluate(tree)), panel, chosen))
    plain = np.array([not slow & {node.operator for node in tree.walk()} for tree in chosen])
    ratio = float(theirs[plain].sum() / ours[plain].sum())
    print(f"Qlib: {plain.sum() / theirs[plain].sum():.1f} factors a second, evaluation only, without its "
          f"`rolling.apply` operators; ratio {ratio:.1f} ({theirs.sum() / ours.sum():.1f} with)")  # fmt: skip
    return round(ratio, 1)


GPLEARN = ("add", "sub", "mul", "div", "neg", "abs", "min", "max")


def _against_gplearn(panel: CandlePanel, interpreter: str) -> float:
    """Elementwise trees over five unit-free columns, which is what gplearn can express."""
    close, volume = panel.columns["close"], panel.columns["volume"]
    random = np.random.default_rng(SEED)
    columns = {"close": close, "open": panel.columns["open"]}
    kinds = dict(panel.kinds)
    names = [f"lag{lag}" for lag in (1, 4, 24)] + ["heavy", "body"]
    features = [np.full_like(close, np.nan) for _ in names]
    for values, lag in zip(features, (1, 4, 24), strict=False):
        values[:, lag:] = close[:, lag:] / close[:, :-lag] - 1
    features[3][:] = np.log1p(volume)
    features[4][:] = close / panel.columns["open"] - 1
    columns |= dict(zip(names, features, strict=True))
    kinds |= dict.fromkeys(names, RATIO)
    wide = CandlePanel(panel.times, panel.pairs, columns, panel.minutes, kinds)
    operators = [OPERATORS[name] for name in GPLEARN]
    trees = [random_factor(random, None, operators, dict.fromkeys(names, RATIO)) for _ in range(200)]
    x = np.nan_to_num(np.stack([values.ravel() for values in features], axis=1))
    y = np.nan_to_num(np.roll(features[0], -1, axis=1).ravel())
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "samples.npz", X=x, y=y)
        (Path(folder) / "gplearn.json").write_text(json.dumps([_prefix(tree, names) for tree in trees]))
        theirs = np.array(_peer(interpreter, "gplearn_engine.py", folder))
    ours = np.array(_each(lambda tree, engine, score: score.screen(engine.evaluate(tree)), wide, trees))
    ratio = float(theirs.sum() / ours.sum())
    print(f"gplearn: {len(trees) / theirs.sum():.1f} elementwise factors a second with its Pearson fitness, "
          f"ours {len(trees) / ours.sum():.1f}; ratio {ratio:.1f}")  # fmt: skip
    return round(ratio, 1)


def _prefix(tree: Tree, names: Sequence[str]) -> list[object]:
    if tree.operator == FIELD:
        return [names.index(str(tree.constants[0]))]
    if tree.operator == NUMBER:
        return [float(tree.constants[0])]
    return [tree.operator, *(part for child in tree.children for part in _prefix(child, names))]


def _peer(interpreter: str, script: str, folder: str) -> list[float | None]:
    done = subprocess.run(
        [interpreter, str(PEERS / script), folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(
            f"{script} failed: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}"
        )
    seconds: list[float | None] = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
    return seconds


if __name__ == "__main__":
    main()
