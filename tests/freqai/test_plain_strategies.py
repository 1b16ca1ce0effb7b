"""What a plain FreqAI strategy and a plain user's set-up meet with in our models."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException

from agent_market.errors import ConfigError
from agent_market.freqai.base_model import BaseAgentModel
from agent_market.freqai.ensemble import AgentEnsembleModel
from agent_market.pipeline.quant import TARGET, return_label
from agent_market.runs.identity import use_live_identifier


def test_the_only_numeric_target_is_taken_for_the_return() -> None:
    rows = pd.DataFrame({"&-s_close": [0.1], TARGET: [1.0], "&s-up_or_down": ["up"], "&-other": [1.0]})
    assert return_label(["&-s_close"], rows) == "&-s_close"
    assert return_label(["&-s_close", TARGET], rows) == TARGET
    for labels in ([], ["&s-up_or_down"], ["&-s_close", "&-other"]):
        with pytest.raises(ConfigError, match="needs one numeric target") as error:
            return_label(labels, rows)
        assert all(label in str(error.value) for label in labels)


def live(tmp_path: Path, pairs: list[str], **more: Any) -> dict[str, Any]:
    return {
        "user_data_dir": tmp_path,
        "runmode": RunMode.DRY_RUN,
        "timeframe": "1h",
        "exchange": {"pair_whitelist": pairs},
        "freqai": {"enabled": True, "identifier": "mine"},
        **more,
    }


def test_a_bot_whose_list_names_no_pair_does_not_start(tmp_path: Path) -> None:
    by_volume = [{"method": "VolumePairList"}]
    with pytest.raises(OperationalException, match=r"pair_whitelist is empty.*would never train"):
        AgentEnsembleModel(live(tmp_path, [], pairlists=by_volume))


def test_live_the_pairs_that_a_pattern_stands_for_are_trained(tmp_path: Path) -> None:
    model = BaseAgentModel.__new__(AgentEnsembleModel)
    shared = live(tmp_path, ["(BTC|ETH)/USDT"])
    model.config, model.dd = shared, SimpleNamespace(config=shared, pair_dict={})
    model._train_pairs(["BTC/USDT", "ETH/USDT"])
    assert model.train_queue == deque(["BTC/USDT", "ETH/USDT"])
    assert model.dd.config["exchange"]["pair_whitelist"] == ["BTC/USDT", "ETH/USDT"]
    assert shared["exchange"]["pair_whitelist"] == ["(BTC|ETH)/USDT"], "the bot's own list stays a pattern"


def test_what_a_live_run_predicted_is_found_under_the_users_own_name(tmp_path: Path) -> None:
    settings = {**live(tmp_path, ["BTC/USDT"]), "freqai_backtest_live_models": True}
    with pytest.raises(ConfigError, match=r"no live run of freqai\.identifier 'mine'"):
        use_live_identifier(settings)
    for name in ("mine-0123456789ab", "other-0123456789ab"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "historic_predictions.pkl").write_bytes(b"")
    use_live_identifier(settings)
    assert settings["freqai"]["identifier"] == "mine-0123456789ab"
    use_live_identifier(settings)
    assert settings["freqai"]["identifier"] == "mine-0123456789ab"
