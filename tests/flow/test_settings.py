from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.commands import flow as flow_command
from agent_market.errors import ConfigError
from agent_market.flow.plan import make_plan
from agent_market.flow.settings import FlowSettings, load_flow_settings, round_spans
from agent_market.flow.steps import STEPS, chosen_steps
from tests.helpers.flow_files import write_flow


def test_paths_are_taken_from_the_flow_file(tmp_path):
    settings = load_flow_settings(write_flow(tmp_path / "config", userdir="../user_data"))
    assert settings.config == (tmp_path / "config" / "config.json",)
    assert settings.userdir == tmp_path / "user_data"


def test_a_mistyped_key_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown setting `flow\.timerang` = .*did you mean `timerange`"):
        load_flow_settings(write_flow(tmp_path, timerang="20240101-20240201"))
    with pytest.raises(ConfigError, match=r"`flow\.sandbox\.sed` = 3; did you mean `seed`"):
        load_flow_settings(write_flow(tmp_path, sandbox={"sed": 3}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timerange": "2024-01-01"}, r"flow\.timerange.*'2024-01-01'"),
        ({"timerange": "20240101-20240101"}, "has 0 days, too few"),
        ({"timerange": "20240201-20240101"}, "too few for 1 rounds"),
        ({"timerange": "20241301-20240101"}, "20241301-20240101"),
        ({"rounds": 0}, r"flow\.rounds"),
        ({"rounds": 31}, "has 30 days, too few for 31 rounds"),
        ({"config": []}, "at least one freqtrade config"),
    ],
)
def test_a_bad_value_is_named(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_flow_settings(write_flow(tmp_path, **changes))


def test_settings_can_be_changed_from_the_command_line(tmp_path):
    file = write_flow(tmp_path)
    settings = load_flow_settings(
        file, ["rounds=3", "sandbox.seed=11", "freqtrade.freqai.train_period_days=4", "pairs=[BTC/USDT]"]
    )
    assert (settings.rounds, settings.sandbox.seed, settings.pairs) == (3, 11, ("BTC/USDT",))
    assert settings.freqtrade == {"freqai": {"train_period_days": 4}}
    with pytest.raises(ConfigError, match="did you mean `rounds`"):
        load_flow_settings(file, ["round=3"])
    with pytest.raises(ConfigError, match="write it as key=value"):
        load_flow_settings(file, ["rounds"])
    with pytest.raises(ConfigError, match="`rounds` is a value"):
        load_flow_settings(write_flow(tmp_path, rounds=1), ["rounds.more=3"])
    with pytest.raises(ConfigError, match=r"flow\.rounds` = 'many'"):
        load_flow_settings(file, ["rounds=many"])


def test_a_flow_file_that_is_none_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the flow file"):
        load_flow_settings(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(ConfigError, match="is no YAML"):
        load_flow_settings(broken)
    broken.write_text("- a list")
    with pytest.raises(ConfigError, match="must hold keys and values"):
        load_flow_settings(broken)


@given(st.integers(1, 900), st.integers(1, 20))
def test_rounds_follow_each_other_without_gap_or_overlap(days, rounds):
    first = load_date("20230101")
    last = first + timedelta(days=max(days, rounds))
    settings = FlowSettings(
        config=("a.json",), userdir="u", timerange=f"{first:%Y%m%d}-{last:%Y%m%d}", rounds=rounds
    )
    spans = round_spans(settings)
    assert len(spans) == rounds
    assert spans[0].start == first
    assert spans[-1].end == last
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert max(s.days for s in spans) - min(s.days for s in spans) <= 1
    assert min(s.days for s in spans) >= 1


def load_date(text):
    return FlowSettings(config=("a",), userdir="u", timerange=f"{text}-20990101").span.start


def test_steps_are_checked_and_put_in_order(tmp_path):
    plan = make_plan(load_flow_settings(write_flow(tmp_path)))
    assert chosen_steps(plan) == ("download", "backtest", "summary", "feedback", "report")
    assert chosen_steps(plan, "report, backtest") == ("backtest", "report")
    assert chosen_steps(plan, first="summary") == ("summary", "feedback", "report")
    assert chosen_steps(plan, "download,report", "backtest") == ("report",)
    with pytest.raises(ConfigError, match="--steps: unknown step 'bcktest'; did you mean `backtest`"):
        chosen_steps(plan, "bcktest")
    with pytest.raises(ConfigError, match="--from: unknown step 'reprt'; did you mean `report`"):
        chosen_steps(plan, first="reprt")
    with pytest.raises(ConfigError, match="empty"):
        chosen_steps(plan, " , ")
    with pytest.raises(ConfigError, match="step `rl` is not part of this flow: `rl` is not set"):
        chosen_steps(plan, "rl")
    configured = make_plan(
        load_flow_settings(write_flow(tmp_path, rl={}, train={}, evaluate={"seeds": 1}, expressions={}))
    )
    assert chosen_steps(configured) == STEPS


def test_the_command_names_every_step():
    assert tuple(flow_command.STEPS.split(", ")) == STEPS


def test_where_parallel_parts_run_is_no_part_of_what_a_flow_is(tmp_path):
    def scope(**parallel):
        return make_plan(load_flow_settings(write_flow(tmp_path, parallel=parallel))).scope

    assert scope() == scope(backend="threading", jobs=3) == scope(backend="dask", address="tcp://here:1")
    with pytest.raises(ConfigError, match=r"flow\.parallel\.backend` = 'spark'"):
        scope(backend="spark")
    with pytest.raises(ConfigError, match=r"flow\.parallel\.jobs` = 0"):
        scope(jobs=0)


def test_a_plan_needs_pairs_and_a_timeframe(tmp_path):
    file = write_flow(tmp_path)
    (tmp_path / "config.json").write_text('{"exchange": {"name": "binance"}}')
    with pytest.raises(ConfigError, match=r"no `exchange\.pair_whitelist`"):
        make_plan(load_flow_settings(file))
    with pytest.raises(ConfigError, match="no `timeframe`"):
        make_plan(load_flow_settings(file, ["pairs=[BTC/USDT]"]))
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"config\.json"):
        make_plan(load_flow_settings(file))


def test_equal_flows_share_a_memory_and_others_do_not(tmp_path):
    def scope(folder, *changes):
        return make_plan(load_flow_settings(write_flow(tmp_path / folder), changes)).scope

    assert scope("a") == scope("b")
    assert scope("a", "sandbox.seed=1") != scope("a", "sandbox.seed=2")
    assert scope("a", "freqtrade.max_open_trades=1") != scope("a")
