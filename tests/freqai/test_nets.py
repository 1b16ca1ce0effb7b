"""The nets inside the loop: windows, kills and the future change nothing, and each window keeps its own."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from tests.helpers.scripted import candle_arrays, make_session, part, random_candles, rows_of

pytest.importorskip("torch")

from agent_market.config import AgentMarketSettings, DecisionSettings, MemorySettings, NetSettings
from agent_market.decision.experts.virtual_experts import seats
from agent_market.decision.nets.bundle import NetBundle
from agent_market.decision.nets.dataset import DecisionLog
from agent_market.decision.nets.inputs import SeenArrays
from agent_market.decision.nets.train import train_nets
from agent_market.errors import ConfigError
from agent_market.freqai import nets as nets_module
from agent_market.freqai.nets import earlier_nets, require_torch, window_nets
from agent_market.pipeline.quant import QuantModel
from agent_market.records import Episode, Evidence
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from agent_market.strategy.signals import Fusion, fused_depth

FIRST, EDGES, HOURS = 450, (620, 720), 800
AGENTS = ("aggressive", "conservative", "quant", "memory", "judge")


def with_nets(weighting: str = "two_stage", level: float = 0.99) -> AgentMarketSettings:
    """Nets of few outcomes behind a gate that lets nearly everything through, so that they do decide."""
    nets = NetSettings(least_outcomes=40, level=level, epochs=4, device="cpu", hidden=8)
    return AgentMarketSettings(
        decision=DecisionSettings.model_validate(
            {"cadence_candles": 3, "horizon_candles": 3, "weighting": weighting, "nets": nets}
        ),
        memory=MemorySettings(k=4, k_max=6, min_neighbours=3),
    )


class Run:
    """One scripted run with nets trained at `EDGES`, which may be cut and killed anywhere."""

    def __init__(self, settings: AgentMarketSettings, url: str) -> None:
        self.settings, self.database = settings, Database(url)
        self.bundles: list[NetBundle] = []

    def walk(
        self, candles: pd.DataFrame, cuts: Sequence[int] = (), warm: bool = True
    ) -> tuple[tuple[Episode, ...], pd.DataFrame]:
        rows, arrays = rows_of(candles), candle_arrays(candles)
        experts = seats(AGENTS, self.settings.decision)
        frames = []
        edges = sorted({FIRST, *(e for e in EDGES if e < len(candles)), *cuts, len(candles)})
        nets = None
        for start, stop in itertools.pairwise(edges):
            window = part(rows, start, stop)
            first_s = int(window.closes_s[0])
            if start in EDGES:
                earlier = nets if warm else None
                nets = window_nets(
                    self.database, "test", "BTC/USDT", experts, first_s - 3600, self.settings, earlier
                )
                self.bundles.append(nets)
            session = make_session(self.database, self.settings)
            session.rewind(datetime.fromtimestamp(first_s, tz=UTC))
            session.use(nets)
            session.advance(window, arrays)
            frames.append(session.columns(window.closes_s))
        return episodes_of(self.database, "test"), pd.concat(frames, ignore_index=True)

    def walk_plain(self, candles: pd.DataFrame) -> tuple[Episode, ...]:
        """All of it in one window, by the online weights alone."""
        window = part(rows_of(candles), FIRST, len(candles))
        session = make_session(self.database, self.settings)
        session.rewind(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
        session.advance(window, candle_arrays(candles))
        return episodes_of(self.database, "test")


@pytest.fixture
def run(tmp_path: Path):
    made = itertools.count()
    return lambda settings: Run(settings, f"sqlite:///{tmp_path}/{next(made)}.sqlite")


def decided(episodes: Sequence[Episode], by: datetime) -> list[tuple[object, ...]]:
    return [(e.view, e.recall, e.views, e.decision, e.verdict) for e in episodes if e.view.asof <= by]


def a_log(outcomes: int, horizon: int) -> DecisionLog:
    """An hourly log of two agents, each outcome known `horizon` decisions later."""
    draw, shape = np.random.default_rng(1), (outcomes, 2)
    seen = SeenArrays(
        vectors=draw.random((*shape, 4), dtype=np.float32),
        awake=np.ones(shape, dtype=np.bool_),
        depth=draw.uniform(-1, 1, shape).astype(np.float32),
        prior=np.full(shape, 0.5, dtype=np.float32),
        state=np.zeros((outcomes, 0), dtype=np.float32),
    )
    times = np.arange(outcomes, dtype=np.int64) * 3600
    gain, cost = draw.normal(size=outcomes).astype(np.float32), np.full(outcomes, 0.01, dtype=np.float32)
    return DecisionLog(("a", "b"), seen, gain, cost, times, times + horizon * 3600)


def test_outcomes_that_overlap_too_far_train_nothing_and_leave_the_prior() -> None:
    """Of 120 outcomes, 18 are to stop by: over a day each, none of them is known when the gate's begin."""
    settings = DecisionSettings(weighting="two_stage", nets=NetSettings(epochs=2, hidden=4, device="cpu"))
    bundle = train_nets(a_log(120, 24), settings, 0)
    assert (bundle.weight_state, bundle.in_force, bundle.outcomes) == (None, (), 120)
    assert "too few" in bundle.summary
    assert train_nets(a_log(200, 24), settings, 0).weight_state is not None


def shifted(episodes: Sequence[Episode]) -> list[Episode]:
    return [e for e in episodes if e.decision.shift != 0.0]


def a_seed_where_nets_decide(run) -> tuple[int, tuple[Episode, ...], pd.DataFrame]:
    for seed in range(12):
        episodes, columns = run(with_nets()).walk(random_candles(seed, HOURS))
        if shifted(episodes):
            return seed, episodes, columns
    raise AssertionError("no net passed a gate that lets nearly everything through")


def test_cuts_kills_and_the_future_change_nothing_that_nets_decided(run) -> None:
    seed, whole, columns = a_seed_where_nets_decide(run)
    candles = random_candles(seed, HOURS)
    pieces, columns_pieces = run(with_nets()).walk(candles, cuts=(540, 655, 656, 760))
    assert pieces == whole
    pd.testing.assert_frame_equal(columns_pieces, columns)

    cut = 770
    short, columns_short = run(with_nets()).walk(candles.iloc[:cut])
    by = candles["date"].iloc[cut - 1].to_pydatetime() + pd.Timedelta("1h")
    assert decided(short, by) == decided(whole, by)
    pd.testing.assert_frame_equal(columns_short, columns.iloc[: cut - FIRST])

    other = candles.copy()
    prices = ["open", "high", "low", "close"]
    other.loc[cut:, prices] = candles.loc[cut:, prices].to_numpy() * 3.0
    assert decided(run(with_nets()).walk(other)[0], by) == decided(whole, by)


def test_columns_say_who_decided_and_contributions_and_shift_sum_to_the_depth(run) -> None:
    _, episodes, columns = a_seed_where_nets_decide(run)
    experts = seats(AGENTS, with_nets().decision)
    parts = columns[[f"contribution_{name}" for name in experts]].sum(axis=1) + columns["net_shift"]
    assert parts.to_numpy() == pytest.approx(columns["fused_depth"].to_numpy(), abs=1e-9)
    assert columns["net_depth"].iloc[0] == 0.0
    assert set(columns.loc[columns["net_shift"] != 0.0, "net_depth"]) == {1.0}
    assert all("decision_net" in e.decision.nets for e in shifted(episodes))
    depth = fused_depth(columns, experts, with_nets().memory, Fusion())
    assert depth == pytest.approx(columns["traded_depth"].to_numpy(), abs=1e-9)


def test_training_again_at_a_later_time_gives_the_same_nets(run) -> None:
    """The store then holds more decisions, and outcomes of earlier ones that were not known yet."""
    made = run(with_nets())
    made.walk(random_candles(3, HOURS), warm=False)
    experts = seats(AGENTS, made.settings.decision)
    for bundle in made.bundles:
        again = window_nets(
            made.database, "test", "BTC/USDT", experts, bundle.trained_until_s, made.settings, None
        )
        assert again.gates == bundle.gates
        assert again.outcomes == bundle.outcomes
        for name, value in (bundle.weight_state or {}).items():
            assert (again.weight_state or {})[name].tobytes() == value.tobytes()


def test_the_next_window_goes_on_from_the_last_ones_nets(run) -> None:
    warm, cold = run(with_nets()), run(with_nets())
    warm.walk(random_candles(3, HOURS))
    cold.walk(random_candles(3, HOURS), warm=False)
    assert [b.warm for b in warm.bundles] == [False, True]
    assert [b.warm for b in cold.bundles] == [False, False]


def test_a_gate_that_nothing_passes_leaves_every_decision_to_the_prior(run) -> None:
    strict = run(with_nets("weight_net", level=0.001))
    episodes, columns = strict.walk(random_candles(3, HOURS))
    assert [b.in_force for b in strict.bundles] == [(), ()]
    assert "the prior decides" in strict.bundles[0].summary
    assert (columns["net_weights"] == 0.0).all()
    prior = with_nets().decision.model_copy(update={"weighting": "adahedge", "weighting_cash": True})
    plain = run(AgentMarketSettings(decision=prior, memory=strict.settings.memory))
    assert [e.decision for e in episodes] == [e.decision for e in plain.walk_plain(random_candles(3, HOURS))]


def test_too_few_outcomes_train_nothing_and_say_so(run) -> None:
    made = run(with_nets())
    made.settings = made.settings.model_copy(
        update={
            "decision": made.settings.decision.model_copy(update={"nets": NetSettings(least_outcomes=500)})
        }
    )
    made.walk(random_candles(3, HOURS))
    assert made.bundles[0].weight_state is None
    assert "too few" in made.bundles[0].summary


def test_before_the_first_decision_nothing_is_trained_and_nothing_fails(run) -> None:
    """The first window of every backtest: the store holds no decision yet."""
    made = run(with_nets())
    nets = window_nets(
        made.database, "test", "BTC/USDT", ("quant", "cash"), 1_700_000_000, made.settings, None
    )
    assert (nets.outcomes, nets.in_force) == (0, ())
    assert "0 known outcomes are too few" in nets.summary


def test_the_nets_of_the_newest_earlier_window_that_was_saved_whole_are_found_in_freqais_own_file(
    tmp_path: Path,
) -> None:
    def bundle(stamp: int) -> NetBundle:
        return NetBundle(("a",), 0, 8, "target", 50, stamp)

    for stamp in (100, 900, 1000, 2000):
        folder = tmp_path / f"sub-train-BTC_{stamp}"
        folder.mkdir()
        model = QuantModel(None, None, None, 1.0, Evidence(0, 0.5, 0.0, 1.0), bundle(stamp))
        with (folder / f"cb_btc_{stamp}_model.joblib").open("wb") as stream:
            cloudpickle.dump(model, stream)
        (folder / f"cb_btc_{stamp}_trained_df.pkl").touch()
    struck = tmp_path / "sub-train-BTC_1200"
    struck.mkdir()
    (struck / "cb_btc_1200_model.joblib").write_bytes(b"half a mod")
    (tmp_path / "sub-train-BTC_1500").mkdir()
    found = earlier_nets(tmp_path / "sub-train-BTC_1500")
    assert found == bundle(1000)
    assert earlier_nets(tmp_path / "sub-train-BTC_100") is None


def test_without_torch_a_net_is_refused_at_the_start_with_what_to_do(monkeypatch) -> None:
    monkeypatch.setattr(nets_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs what is not installed: torch, arch; run `pip install"):
        require_torch(with_nets())
    require_torch(AgentMarketSettings())


def test_the_default_path_imports_no_torch() -> None:
    code = (
        "import sys, agent_market.pipeline.session, agent_market.freqai.nets; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
