"""The parts of the search: library, bandit, variation, reading, pool, checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent_market.config import MiningSettings
from agent_market.errors import ConfigError, DataError, ExpressionError
from agent_market.factors.limits import LIMITS
from agent_market.factors.mining.bandit import DISCOUNT, Bandit
from agent_market.factors.mining.checkpoint import Batch, Checkpoint
from agent_market.factors.mining.market import halves
from agent_market.factors.mining.parsing import read
from agent_market.factors.mining.pool import Pool
from agent_market.factors.mining.records import FactorProposal, Failure, Scored, Span, factor_name
from agent_market.factors.mining.scoring_context import Bench
from agent_market.factors.mining.seed_factors import CLASSICS
from agent_market.factors.mining.variation import crossover, mutation, paths, replaced, tuning, vary
from agent_market.factors.parse import check, factor_of, parse, parse_factor
from agent_market.factors.tree import Tree, call, field
from agent_market.factors.types import FIELDS
from agent_market.factors.warmup import lookback
from tests.helpers.mining_worlds import PLANTED, market, settings, spans


def test_every_classic_is_read_differs_from_the_others_and_fits_the_default_reach() -> None:
    trees = [parse_factor(expression) for _, expression in CLASSICS]
    assert len({tree.digest for tree in trees}) == len(CLASSICS) >= 70
    assert max(lookback(tree, 60) for tree in trees) <= MiningSettings().longest_lookback


def test_the_bandit_asks_each_once_then_who_brings_the_most() -> None:
    bandit = Bandit.over(["library", "genetic", "library"])
    random = np.random.default_rng(0)
    assert bandit.choose(random) == "library"
    bandit = bandit.updated("library", 10, 8)
    assert bandit.choose(random) == "genetic"
    bandit = bandit.updated("genetic", 10, 0)
    assert [(arm.wins, arm.losses) for arm in bandit.arms] == [(8.0, 2.0), (0.0, 10.0)]
    chosen = [bandit.choose(random) for _ in range(200)]
    assert chosen.count("library") > 190


def test_old_evidence_is_discounted_and_an_empty_batch_is_a_loss() -> None:
    bandit = Bandit.over(["llm"]).updated("llm", 4, 2).updated("llm", 0, 0)
    (arm,) = bandit.arms
    assert arm.wins == pytest.approx(2 * DISCOUNT)
    assert arm.losses == pytest.approx(2 * DISCOUNT + 1)
    assert (arm.asked, arm.proposals, arm.accepted) == (2, 4, 2)
    assert bandit.retired("llm", "silent").choose(np.random.default_rng(0)) is None


def test_a_part_of_a_tree_is_replaced_and_the_rest_is_kept() -> None:
    tree = parse("ts_mean(close - open, 5) / close")
    assert [str(node) for _, node in paths(tree)][:3] == [
        "div(ts_mean(sub(close, open), 5), close)",
        "ts_mean(sub(close, open), 5)",
        "sub(close, open)",
    ]
    assert str(replaced(tree, (0, 0, 1), field("low"))) == "div(ts_mean(sub(close, low), 5), close)"
    assert str(tree) == "div(ts_mean(sub(close, open), 5), close)"


@pytest.mark.parametrize("way", [crossover, mutation, tuning])
def test_variations_are_new_factors_or_refused_and_the_same_for_the_same_seed(way: object) -> None:
    one, other = parse_factor("zscore(volume, 60)"), parse_factor("ts_return(close, 5) * ts_rank(volume, 20)")
    made = set()
    for seed in range(40):
        children = []
        for _ in range(2):
            try:
                children.append(factor_of(way(np.random.default_rng(seed), one, other, FIELDS, LIMITS)))  # type: ignore[operator]
            except ExpressionError as error:
                children.append(type(error).__name__)
        assert children[0] == children[1]
        if isinstance(children[0], Tree):
            made.add(children[0].digest)
    assert len(made - {one.digest}) >= 2


def test_tuning_changes_constants_only() -> None:
    one = parse_factor("zscore(volume, 60)")
    windows = {
        tuning(np.random.default_rng(seed), one, one, FIELDS, LIMITS).constants[0] for seed in range(30)
    }
    assert windows == {30, 45, 80, 120}


def test_what_is_bred_passes_every_check() -> None:
    random = np.random.default_rng(1)
    parents = [parse_factor(expression) for _, expression in CLASSICS[:12]]
    for _ in range(60):
        child = vary(random, parents, FIELDS, LIMITS)
        check(child, LIMITS)
        assert child.kind.unit_free
        assert child not in parents


def _read(text: str, tried: frozenset[str] = frozenset(), reach: int = 300) -> Tree | Failure:
    return read(FactorProposal(text), "llm", tried, FIELDS, 60, reach)


def test_what_cannot_be_read_is_a_failure_in_the_parsers_words() -> None:
    failed = _read("close + volume")
    assert isinstance(failed, Failure)
    assert failed.expression == "close + volume"
    assert "is a volume where a price is needed at character 9" in failed.problem
    assert "ts_mean(volume, 24)" in failed.problem


def test_a_factor_that_reaches_too_far_or_was_tried_is_a_failure() -> None:
    far = _read("ts_return(close, 400)")
    assert isinstance(far, Failure)
    assert "400" in far.problem or "401" in far.problem
    longer = _read("at('1d', ts_return(close, 20))")
    assert isinstance(longer, Failure)
    assert "candles back; 300 are allowed" in longer.problem
    tree = _read("close / open")
    assert isinstance(tree, Tree)
    again = _read("1 * (close / open)", frozenset([tree.digest]))
    assert isinstance(again, Failure)
    assert "tried already" in again.problem
    off_grid = read(FactorProposal("at('1d', close / open)"), "llm", (), FIELDS, 1440, 300)
    assert isinstance(off_grid, Failure)
    assert "multiple" in off_grid.problem


def _scored(text: str) -> Scored:
    return Scored(parse_factor(text), "library", "", 0.1, 0.5, 3.0, 1.0, float("nan"), "", False)


def _pool(random: np.random.Generator, **changes: object) -> tuple[Pool, np.ndarray, np.ndarray, np.ndarray]:
    """A return made of two signals and noise, 600 times x 8 pairs."""
    one, other, noise = random.normal(size=(3, 600, 8))
    returns = 1.0 * one + 0.5 * other + noise
    base = {"pool": 2, "least_gain": 0.001}
    return (
        Pool(returns, 3, MiningSettings.model_validate({**base, **changes})),
        one, other, random.normal(size=(600, 8)),
    )  # fmt: skip


def test_the_pool_takes_what_adds_and_weights_it_by_what_it_adds() -> None:
    pool, one, other, noise = _pool(np.random.default_rng(0))
    pool, first = pool.offered(_scored("ts_return(close, 5)"), one)
    assert first.accepted
    # returns have variance 1 + 0.25 + 1: the correlation with the first signal is 1 / 1.5
    assert pool.joint_ic == pytest.approx(1 / 1.5, abs=0.03)
    pool, second = pool.offered(_scored("zscore(volume, 20)"), -other)
    assert second.accepted
    assert pool.joint_ic == pytest.approx((1.25 / 2.25) ** 0.5, abs=0.03)
    weights = {m.scored.name: m.weight for m in pool.members}
    assert weights[factor_name(parse_factor("ts_return(close, 5)"))] == pytest.approx(2 / 3, abs=0.05)
    assert weights[factor_name(parse_factor("zscore(volume, 20)"))] == pytest.approx(-1 / 3, abs=0.05)
    same, third = pool.offered(_scored("ts_skew(close, 20)"), noise)
    assert not third.accepted
    assert "is needed" in third.outcome
    assert same is pool


def test_the_pool_is_bounded_and_the_smallest_weight_goes() -> None:
    pool, one, other, noise = _pool(np.random.default_rng(0), least_gain=0.0)
    pool, _ = pool.offered(_scored("ts_skew(close, 20)"), noise + 0.1 * one)
    pool, _ = pool.offered(_scored("ts_return(close, 5)"), one)
    pool, last = pool.offered(_scored("zscore(volume, 20)"), other)
    assert last.accepted
    assert [str(m.scored.tree) for m in pool.members] == ["ts_return(close, 5)", "zscore(volume, 20)"]


def test_what_resembles_a_factor_may_only_take_its_place() -> None:
    pool, one, _, noise = _pool(np.random.default_rng(0))
    pool, _ = pool.offered(_scored("ts_return(close, 5)"), one + 0.6 * noise)
    worse, copy = pool.offered(_scored("zscore(volume, 20)"), one + 0.8 * noise)
    assert worse is pool
    assert "resembles `ts_return(close, 5)`" in copy.outcome
    better, replacement = pool.offered(_scored("zscore(volume, 20)"), one)
    assert replacement.accepted
    assert [str(m.scored.tree) for m in better.members] == ["zscore(volume, 20)"]
    form, near = better.offered(
        _scored("zscore(volume, 24)"), np.random.default_rng(5).normal(size=one.shape)
    )
    assert form is better
    assert not near.accepted


def test_a_torn_line_is_dropped_and_the_rest_goes_on(tmp_path: Path) -> None:
    first = Batch(0, "llm", (FactorProposal("close / open", "why"),))
    second = Batch(1, "genetic", (), "nothing", True)
    kept = Checkpoint(tmp_path, "run")
    kept.keep(first)
    kept.keep(second)
    whole = kept.file.read_bytes()
    kept.file.write_bytes(whole[:-7])
    again = Checkpoint(tmp_path, "run")
    assert len(again) == 1
    assert again.get(0) == first
    assert again.get(1) is None
    again.keep(second)
    assert again.file.read_bytes() == whole
    assert Checkpoint(tmp_path, "run").get(1) == second
    again.finished()
    assert not again.file.exists()


def test_spans_are_ordered_have_a_zone_and_fit_the_candles() -> None:
    panel = market(rows=400)
    span, later = halves(panel, 0.25)
    assert span.end == later.start == panel.times[299].to_pydatetime()
    assert later.end == panel.times[-1].to_pydatetime()
    with pytest.raises(ConfigError, match="empty"):
        Span(span.end, span.start)
    with pytest.raises(ConfigError, match="no time zone"):
        Span(span.start.replace(tzinfo=None), span.end)
    with pytest.raises(DataError, match="cannot be divided"):
        halves(panel.window(0, 3), 0.5)
    with pytest.raises(DataError, match="needs more"):
        Bench(
            panel.window(0, 5),
            Span(panel.times[0].to_pydatetime(), panel.times[4].to_pydatetime()),
            settings(),
        )


def test_a_bench_sees_nothing_after_its_span() -> None:
    panel = market()
    span, _ = spans(panel)
    tree = parse_factor(PLANTED)
    bench = Bench(panel, span, settings())
    assert bench.panel.times[-1].to_pydatetime() == span.end
    changed = {name: values.copy() for name, values in panel.columns.items()}
    cut = int(panel.times.searchsorted(span.end)) + 1
    for values in changed.values():
        values[:, cut:] *= 3.0
    other = Bench(type(panel)(panel.times, panel.pairs, changed, 60), span, settings())
    np.testing.assert_array_equal(bench.series(tree), other.series(tree))
    assert bench.screen(tree) == other.screen(tree)


def test_later_values_use_the_warm_up_before_their_span() -> None:
    panel = market()
    span, later = spans(panel)
    tree = call("zscore", (field("volume"),), (200,))
    whole = Bench(panel, Span(span.start, later.end), settings())
    part = Bench(panel, later, settings())
    rows = part.values(tree).shape[1]
    np.testing.assert_allclose(part.values(tree)[:, 200:], whole.values(tree)[:, -rows + 200 :], rtol=1e-9)
    assert not np.isnan(part.sampled(tree)).any()
