"""Plain `freqtrade backtesting` with mined factors: trained on once they are known, withheld before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factor_files import put_in_force
from workspace import Workspace, make_workspace, sandbox

from agent_market.factors.mining.files import features_file
from agent_market.perception.features import FEATURES
from agent_market.sandbox.market import StandingMarket, SyntheticSource

SPAN = "20240301-20240316"
EXPRESSIONS = ("zscore(volume, 60)", "cs_rank(ts_return(close, 24))", "ts_corr(close, volume, 480)")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(Path(tmp_path_factory.mktemp("factors")), endpoints)
        workspace.config(
            {
                "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
                "freqai": {
                    "train_period_days": 30,
                    "backtest_period_days": 15,
                    "model_training_parameters": {"n_estimators": 30, "n_jobs": 1},
                },
            }
        )
        loaded = workspace.download("20231220-20240320")
        assert loaded.code == 0, loaded.output
        yield workspace


def run(workspace: Workspace) -> tuple[str, set[str], str]:
    """The run's identifier, the numbers of features it trained on, and what it said."""
    done = workspace.backtest(SPAN, "--strategy", "AgentMarketQuantOnly", "--export", "none")
    assert done.code == 0, done.output
    trained = set(re.findall(r"Training model on (\d+) features", done.output))
    return workspace.manifest().identifier, trained, done.text


@pytest.mark.slow
def test_factors_become_features_when_known_and_another_file_is_another_run(workspace: Workspace) -> None:
    without, plain, _ = run(workspace)
    assert plain == {str(len(FEATURES))}

    put_in_force(workspace.user_data, EXPRESSIONS, datetime(2024, 2, 28, tzinfo=UTC))
    with_them, trained, said = run(workspace)
    assert trained == {str(len(FEATURES) + len(EXPRESSIONS))}
    assert "3 mined factors are features of the model" in said
    assert with_them != without

    put_in_force(workspace.user_data, EXPRESSIONS, datetime(2024, 3, 2, tzinfo=UTC))
    late, _, said = run(workspace)
    assert "was chosen on data up to 2024-03-02" in said
    assert late == without

    features_file(workspace.user_data).write_text("")
    broken, _, said = run(workspace)
    assert "no factor is used" in said
    assert broken == without
