"""The whole evaluation on small synthetic markets, and what each of its parts keeps to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import orjson
import pytest
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType

pytest.importorskip("stable_baselines3")

from agent_market.errors import ConfigError, DataError
from agent_market.evaluation import run, run_folds
from agent_market.evaluation.context import CASH, HEDGE, EvaluatedStrategy, EvaluationContext
from agent_market.evaluation.holdout import enter_reading, open_holdout
from agent_market.evaluation.page import BEGIN, END, as_json, write_page
from agent_market.evaluation.panel_builder import Grid, build_panel, read_candles
from agent_market.evaluation.placebo import block_shuffled, sign_shuffled, synthetic_candles
from agent_market.evaluation.plan import SCENARIOS, Plan
from agent_market.evaluation.run import evaluate
from agent_market.evaluation.strategies import contenders
from agent_market.stats.validation import Fold
from agent_market.store.database import Database

PAIRS = ("AAA/USDT", "BBB/USDT")
GRID = Grid(3600, 12)


@pytest.fixture(scope="module")
def candles():
    return synthetic_candles(PAIRS, 2_600, 3600, seed=1)


@pytest.fixture(scope="module")
def panel(candles):
    return build_panel(candles, GRID)


def test_a_return_runs_from_the_open_after_the_decision_to_that_after_the_next(candles, panel) -> None:
    frame = candles["AAA/USDT"]
    opens = dict(zip(frame["date"].astype("int64"), frame["open"], strict=True))
    closes = dict(zip(frame["date"].astype("int64"), frame["close"], strict=True))
    now, after = int(panel.times[50]), int(panel.times[51])
    assert after - now == 12 * 3600
    assert panel.returns[50, 0] == pytest.approx(opens[after] / opens[now] - 1)
    # The last close before the next decision is that of the candle that opens an hour earlier.
    assert panel.outcome[50, 0] == pytest.approx(closes[after - 3600] / opens[now] - 1)
    assert panel.known_at[50, 0] == after


def test_candles_of_too_few_days_are_a_clear_error(tmp_path) -> None:
    short = synthetic_candles(PAIRS, 24 * 60, 3600, seed=1)
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    with pytest.raises(DataError, match=r"too few candles: .* give candles of more days"):
        evaluate(short, Plan(pairs=PAIRS), database)


def test_a_late_fill_moves_the_money_and_not_the_views(candles, panel) -> None:
    late = build_panel(candles, replace(GRID, delay=1))
    frame = candles["BBB/USDT"]
    opens = dict(zip(frame["date"].astype("int64"), frame["open"], strict=True))
    now, after = int(late.times[20]), int(late.times[21])
    assert late.returns[20, 1] == pytest.approx(opens[after + 3600] / opens[now + 3600] - 1)
    count = len(late)
    assert np.array_equal(late.depth, panel.depth[:count], equal_nan=True)


def test_candles_after_a_moment_change_nothing_that_was_said_or_known_by_then(candles, panel) -> None:
    cut = int(panel.times[60])
    earlier = {pair: frame[frame["date"].astype("int64") + 3600 <= cut] for pair, frame in candles.items()}
    short = build_panel(earlier, GRID)
    count = len(short)
    assert count >= 58
    for name in ("depth", "confidence", "state", "regime", "sigma", "known_at", "outcome", "returns"):
        assert np.array_equal(
            getattr(short, name), getattr(panel, name)[:count], equal_nan=name != "regime"
        ), name


def test_in_a_gap_agents_sleep_and_fills_wait(candles, panel) -> None:
    moment = int(panel.times[70])
    holed = dict(candles)
    frame = candles["AAA/USDT"]
    opened = frame["date"].astype("int64")
    holed["AAA/USDT"] = frame[(opened < moment - 3600) | (opened >= moment + 2 * 3600)].reset_index(drop=True)
    found = build_panel(holed, GRID)
    row = int(np.flatnonzero(found.times == moment)[0])
    assert np.isnan(found.depth[row, 0]).all()
    assert not np.isnan(found.depth[row, 1]).all()
    opens = dict(zip(opened, frame["open"], strict=True))
    assert found.returns[row, 0] == pytest.approx(opens[moment + 12 * 3600] / opens[moment + 2 * 3600] - 1)


def small_arena(panel, cost: float = 0.001) -> EvaluationContext:
    half = len(panel) // 2
    rows = np.arange(len(panel))
    return EvaluationContext(panel, (Fold(rows[: half - 2], rows[half:]),), cost, effort=0.03)


def test_no_contender_sees_beyond_the_moment_it_decides_at(panel) -> None:
    """Another future from some test moment on: every position up to it stays."""
    change = len(panel) * 3 // 4
    later = np.arange(len(panel))[:, None] >= change
    rng = np.random.default_rng(3)
    other = replace(
        panel,
        returns=np.where(later, rng.normal(0, 0.05, panel.returns.shape), panel.returns),
        outcome=np.where(later, rng.normal(0, 0.05, panel.outcome.shape), panel.outcome),
        depth=np.where(
            later[..., None] & (np.arange(len(panel)) > change)[:, None, None], -panel.depth, panel.depth
        ),
    )
    one, two = small_arena(panel), small_arena(other)
    for contender in contenders():
        positions = [contender.positions(arena, 0)[: change + 1] for arena in (one, two)]
        assert positions[0] == pytest.approx(positions[1], abs=1e-6), contender.name
        assert np.abs(positions[0]).max() <= 1.0 + 1e-6, contender.name


def test_sign_shuffling_keeps_sizes_and_block_shuffling_leaves_no_drift(panel) -> None:
    signs, blocks = sign_shuffled(panel, 1), block_shuffled(panel, 1)
    assert np.abs(signs.returns) == pytest.approx(np.abs(panel.returns))
    assert (signs.returns != panel.returns).any()
    assert (blocks.returns / blocks.sigma).mean(axis=0) == pytest.approx(0.0, abs=1e-12)
    assert np.array_equal(blocks.depth, panel.depth, equal_nan=True)


def test_synthetic_candles_are_sound_and_martingales() -> None:
    frame = synthetic_candles(("A",), 50_000, 3600, seed=2)["A"]
    assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
    assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
    returns = frame["close"].pct_change().dropna().to_numpy()
    assert abs(returns.mean()) < 4 * returns.std() / np.sqrt(len(returns))
    assert abs(np.corrcoef(returns[1:], returns[:-1])[0, 1]) < 0.03
    assert np.corrcoef(np.abs(returns[1:]), np.abs(returns[:-1]))[0, 1] > 0.1


def test_candles_that_are_not_there_are_named(tmp_path) -> None:
    (tmp_path / "ETH_USDT-1h.feather").touch()
    with pytest.raises(DataError, match="ETH_USDT-1h"):
        read_candles(tmp_path, ["BTC/USDT"], "1h")


def test_candles_are_read_where_freqtrade_puts_them_futures_too(tmp_path, candles) -> None:
    kinds = {"AAA/USDT": CandleType.SPOT, "AAA/USDT:USDT": CandleType.FUTURES}
    handler = get_datahandler(tmp_path, "feather")
    for count, (pair, kind) in enumerate(kinds.items(), start=7):
        handler.ohlcv_store(pair, "1h", candles["AAA/USDT"].iloc[:count], kind)
    assert [len(frame) for frame in read_candles(tmp_path, tuple(kinds), "1h").values()] == [7, 8]


def test_a_holdout_is_read_once(tmp_path, panel) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    rows = np.arange(len(panel) - 20, len(panel))
    open_holdout(database, panel, rows, "a" * 64)
    with pytest.raises(DataError, match="was read before"):
        open_holdout(database, panel, rows, "b" * 64)
    with pytest.raises(DataError, match="was read before"):
        open_holdout(database, panel, rows[-3:], "a" * 64)
    open_holdout(database, panel, np.arange(10), "b" * 64)


def test_other_pairs_or_another_order_of_them_do_not_open_a_holdout_again(tmp_path, panel) -> None:
    rows = np.arange(len(panel) - 20, len(panel))
    parts = ("depth", "confidence", "state", "regime", "sigma", "returns", "outcome", "known_at")

    def of(*pairs: int):
        names = tuple(panel.pairs[n] for n in pairs)
        return replace(panel, pairs=names, **{part: getattr(panel, part)[:, list(pairs)] for part in parts})

    both = Database(f"sqlite:///{tmp_path}/both.sqlite")
    open_holdout(both, of(0, 1), rows, "a" * 64)
    for other in (of(1, 0), of(0), of(1)):
        with pytest.raises(DataError, match="was read before"):
            open_holdout(both, other, rows, "b" * 64)
    one = Database(f"sqlite:///{tmp_path}/one.sqlite")
    open_holdout(one, of(0), rows, "a" * 64)
    with pytest.raises(DataError, match="was read before"):
        open_holdout(one, of(0, 1), rows, "b" * 64)
    # What was refused left no trace, so the pair that nobody read is still sealed.
    open_holdout(one, of(1), rows, "b" * 64)


def test_a_span_that_was_evaluated_is_no_holdout(tmp_path, panel) -> None:
    """Another plan may seal fewer days: what it reads is open to everybody from then on."""
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    early = panel.rows(slice(len(panel) - 10))
    enter_reading(database, early, "a" * 64)
    enter_reading(database, early, "a" * 64)
    with pytest.raises(DataError, match="was read before"):
        open_holdout(database, panel, np.arange(len(panel) - 20, len(panel)), "b" * 64)
    open_holdout(database, panel, np.arange(len(panel) - 10, len(panel)), "b" * 64)


def test_of_two_who_open_a_holdout_at_once_one_may(tmp_path, panel) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    rows, together = np.arange(len(panel) - 20, len(panel)), Barrier(8)

    def opened(number: int) -> bool:
        together.wait(30)
        try:
            open_holdout(database, panel, rows, f"{number:064d}")
        except DataError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(opened, range(8))) == 1


def test_a_holdout_that_was_read_is_refused_before_anything_is_computed(tmp_path, candles, panel) -> None:
    plan = Plan(pairs=PAIRS, seeds=1, first_train_days=30, step_days=20, holdout_days=15)
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    open_holdout(database, panel, np.arange(len(panel) - 5, len(panel)), "a" * 64)
    told: list[str] = []
    with pytest.raises(DataError, match="was read before"):
        evaluate(candles, plan, database, holdout=True, tell=told.append)
    assert told == []


def test_a_contender_that_was_changed_under_its_name_is_another_trial(tmp_path, panel, monkeypatch) -> None:
    """What is tuned in code and run again counts, or the best of many looks like the first."""
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    plan = Plan(pairs=PAIRS, seeds=1)
    half = len(panel) // 2
    fold = (Fold(np.arange(half - 2), np.arange(half, len(panel))),)

    def trials(depth: float) -> int:
        mine = EvaluatedStrategy("mine", "online", lambda arena, _: np.full(arena.panel.returns.shape, depth))
        chosen = tuple(c for c in contenders() if c.kind == "reference" or c.name in (HEDGE, "AdaHedge"))
        for module in (run, run_folds):
            monkeypatch.setattr(module, "contenders", lambda: (*chosen, mine))
        (first, *_) = run._play(
            {0: panel, 1: panel},
            {0: fold, 1: fold},
            plan,
            database,
            run._Work("evaluation", 1, run_folds.quietly),
        )
        return first.doubt.trials

    assert [trials(0.5), trials(0.5), trials(0.25)] == [5, 5, 6]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_the_textbook_rows_are_measured_on_the_returns_and_costs_of_the_panel(candles, scenario) -> None:
    panel = build_panel(candles, Grid(3600, 12, delay=scenario.delay))
    first, last = 100, 140
    rows = run._textbook(candles, Plan(pairs=PAIRS), int(panel.times[first]), int(panel.times[last]))
    hold, *others = rows[scenario.name]
    made = panel.returns[first : last + 1].copy()
    made[0] -= scenario.cost
    assert hold.name == "buy and hold"
    assert hold.total == pytest.approx(np.prod(1.0 + made.mean(axis=1)) - 1.0, rel=1e-9)
    assert hold.capital == 1.0
    assert all(0.0 <= row.capital <= 1.0 for row in others)


@pytest.mark.slow
def test_an_evaluation_from_candles_to_page(tmp_path, candles) -> None:
    plan = Plan(
        pairs=PAIRS, seeds=2, first_train_days=30, step_days=20, holdout_days=15, placebo_draws=1, effort=0.02
    )
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    report = evaluate(candles, plan, database, holdout=True)
    names = [contender.name for contender in contenders()]
    assert [result.scenario for result in report.scenarios] == list(SCENARIOS)
    for result in (*report.scenarios, *report.holdout):
        assert [row.name for row in result.rows] == names
        found = {row.name: row for row in result.rows}
        assert found[CASH].total == found[CASH].rate == 0.0
        assert found[HEDGE].over_hedge.value == 0.0
        assert all(np.isfinite([r.total, r.rate, r.deflated, r.over_hedge.p]).all() for r in result.rows)
        assert 0.0 <= result.doubt.spa_cash <= 1.0
        assert result.doubt.trials == len(names)
    assert {p.world for p in report.placebos} == {"signs shuffled", "blocks shuffled", "synthetic"}
    cheap, dear = (r.rows[names.index(HEDGE)] for r in (report.scenarios[0], report.scenarios[2]))
    assert dear.total < cheap.total

    page = tmp_path / "evaluation.md"
    page.write_text(f"Before.\n{BEGIN}\nstale table\n{END}\nAfter.\n")
    write_page(report, page)
    text = page.read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert "stale table" not in text
    assert all(f"| {name} |" in text for name in names)
    assert (tmp_path / "evaluation.svg").read_text().count("<polyline") == 7
    read = orjson.loads(as_json(report))
    assert read["plan"]["seeds"] == 2
    assert "| capital used % |" in text
    for scenario in SCENARIOS:
        assert "trend ensemble x filter x volatility" in {r["name"] for r in read["textbook"][scenario.name]}
    with pytest.raises(DataError, match="was read before"):
        evaluate(candles, plan, database, holdout=True)


def test_a_page_without_a_place_for_results_is_refused(tmp_path) -> None:
    page = tmp_path / "evaluation.md"
    page.write_text("nothing here")
    with pytest.raises(ConfigError, match="has no lines"):
        write_page(None, page)  # type: ignore[arg-type]
