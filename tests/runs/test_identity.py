"""What makes two FreqAI runs the same run, and what must not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException

from agent_market.freqai.ensemble import AgentEnsembleModel
from agent_market.runs.identity import DECIDING_PACKAGES, derive_identifier, stamp_features
from tests.helpers.imported import imported

STORING = ("store/", "bot/", "reports/", "errors.py", "utils/", "__init__.py")
"""Code that keeps, shows or guards what was decided."""


class Model:
    pass


class OtherModel:
    pass


def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "user_data_dir": tmp_path,
        "timeframe": "1h",
        "timerange": "20240101-20240601",
        "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
        "freqai": {
            "identifier": "mine",
            "train_period_days": 90,
            "model_training_parameters": {"n_estimators": 200},
        },
        "agent_market": {"llm": {"model": "heuristic", "base_url": "http://127.0.0.1:1/v1"}},
    }


def identifier(base: dict[str, Any], *path: str, value: Any = None) -> str:
    changed = copy.deepcopy(base)
    if path:
        section = changed
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = value
    return derive_identifier(changed, Model)


def test_the_users_own_name_stays_in_front(tmp_path: Path) -> None:
    assert identifier(config(tmp_path)).startswith("mine-")


def test_deriving_twice_from_the_same_config_gives_the_same(tmp_path: Path) -> None:
    settings = config(tmp_path)
    first = derive_identifier(settings, Model)
    settings["freqai"]["identifier"] = first
    assert derive_identifier(settings, Model) == first


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("freqai", "train_period_days"), 60),
        (("freqai", "model_training_parameters", "n_estimators"), 100),
        (("freqai", "feature_code"), "abc"),
        (("agent_market", "llm", "model"), "another-model"),
        (("agent_market", "decision", "cadence_candles"), 6),
        (("agent_market", "llm", "deep"), {"base_url": "http://127.0.0.1:1/v1", "model": "thinker"}),
        (("agent_market", "llm", "fallbacks"), [{"base_url": "http://127.0.0.1:1/v1", "model": "other"}]),
        (("agent_market", "budget", "run"), {"calls": 5, "tokens": 100, "cost": 1.0}),
        (("timeframe",), "4h"),
        (("timerange",), "20240201-20240601"),
        (("exchange", "pair_whitelist"), ["BTC/USDT"]),
    ],
)
def test_whatever_may_change_a_prediction_changes_it(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    assert identifier(config(tmp_path), *path, value=value) != identifier(config(tmp_path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("timerange",), "20240101-20250101"),
        (("agent_market", "llm", "base_url"), "http://127.0.0.1:2/v1"),
        (("agent_market", "llm", "mode"), "replay"),
        (("agent_market", "llm", "deadline_s"), 20.0),
        (("agent_market", "llm", "breaker_failures"), 9),
        (("agent_market", "live", "workers"), 4),
        (("agent_market", "store", "url"), "sqlite:///elsewhere.sqlite"),
        (("exchange", "pair_whitelist"), ["ETH/USDT", "BTC/USDT"]),
    ],
)
def test_what_changes_no_prediction_keeps_it(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    assert identifier(config(tmp_path), *path, value=value) == identifier(config(tmp_path))


def test_another_model_class_is_another_run(tmp_path: Path) -> None:
    assert derive_identifier(config(tmp_path), OtherModel) != derive_identifier(config(tmp_path), Model)


def test_the_words_of_a_feedback_file_count(tmp_path: Path) -> None:
    settings = config(tmp_path)
    settings["agent_market"]["agents"] = {"feedback_file": "feedback.jsonl"}
    # Not a model of this file: the words of this file name the feedback, which would count as its data.
    before = derive_identifier(copy.deepcopy(settings), AgentEnsembleModel)
    (tmp_path / "feedback.jsonl").write_text(
        '{"known_at": "2024-03-01T00:00:00Z", "round": 1, "lines": ["less"]}\n'
    )
    told = derive_identifier(copy.deepcopy(settings), AgentEnsembleModel)
    assert told != before
    with (tmp_path / "feedback.jsonl").open("a") as file:
        file.write('{"known_at": "2024-07-01T00:00:00Z", "round": 2, "lines": ["later than the run"]}\n')
    assert derive_identifier(copy.deepcopy(settings), AgentEnsembleModel) == told


def test_a_live_bot_is_not_trained_anew_for_the_words_of_a_feedback_file(tmp_path: Path) -> None:
    settings = config(tmp_path) | {"runmode": RunMode.DRY_RUN}
    settings["agent_market"]["agents"] = {"feedback_file": "feedback.jsonl"}
    before = derive_identifier(copy.deepcopy(settings), AgentEnsembleModel)
    (tmp_path / "feedback.jsonl").write_text('{"known_at": "2024-01-01", "lines": ["less"]}\n')
    assert derive_identifier(copy.deepcopy(settings), AgentEnsembleModel) == before


def test_feature_code_of_a_strategy_is_told_apart() -> None:
    class Mine:
        def feature_engineering_expand_all(self) -> int:
            return 1

        def feature_engineering_expand_basic(self) -> int:
            return 2

        def feature_engineering_standard(self) -> int:
            return 3

        def set_freqai_targets(self) -> int:
            return 4

    class Changed(Mine):
        def feature_engineering_standard(self) -> int:
            return 33

    stamped: list[dict[str, Any]] = [{"freqai": {}}, {"freqai": {}}, {"freqai": {}}]
    for section, strategy in zip(stamped, (Mine(), Changed(), Mine()), strict=True):
        stamp_features(section, strategy)
    codes = [s["freqai"]["feature_code"] for s in stamped]
    assert codes[0] == codes[2] != codes[1]


def test_moving_a_fallback_to_another_address_keeps_it(tmp_path: Path) -> None:
    def at(port: int) -> str:
        endpoint = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "other", "api_key_env": f"KEY_{port}"}
        settings = config(tmp_path)
        settings["agent_market"]["llm"] |= {"deep": endpoint, "fallbacks": [endpoint]}
        return identifier(settings)

    assert at(1) == at(2)


def test_all_code_that_decides_is_told_apart() -> None:
    """The gate of the nets and the defaults of settings too: else predictions of older code are used on."""
    code = tuple(name if name.endswith(".py") else f"{name}/" for name in DECIDING_PACKAGES)
    found = imported("pipeline", "freqai", "decision", "training/models", "rl", beyond=STORING)
    assert {"stats/promotion.py", "config/decision.py"} <= found
    assert [file for file in sorted(found) if not file.startswith(code)] == []


def test_a_store_that_is_none_ends_a_run_with_one_line(tmp_path: Path) -> None:
    broken = config(tmp_path)
    broken["agent_market"]["store"] = {"url": "nonsense"}
    with pytest.raises(OperationalException, match=r"invalid SQLAlchemy URL in `store\.url`"):
        AgentEnsembleModel(broken)
