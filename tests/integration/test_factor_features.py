"""Plain `freqtrade backtesting` with mined factors: trained on once they are known, withheld before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_market.factors.mining.files import features_file
from agent_market.features.features import FEATURES
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.factor_files import put_in_force
from tests.helpers.workspace import Workspace, make_workspace, sandbox

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


def run(workspace: Workspace) -> tuple[set[str], str]:
    """The numbers of features that it trained on (none where it took old predictions), and what it said."""
    done = workspace.backtest(SPAN, "--strategy", "AgentMarketQuantOnly", "--export", "none")
    assert done.code == 0, done.output
    return set(re.findall(r"Training model on (\d+) features", done.output)), done.text


@pytest.mark.slow
def test_factors_become_features_when_known_and_another_file_is_another_run(workspace: Workspace) -> None:
    assert run(workspace)[0] == {str(len(FEATURES))}

    put_in_force(workspace.user_data, EXPRESSIONS, datetime(2024, 2, 28, tzinfo=UTC))
    trained, said = run(workspace)
    assert trained == {str(len(FEATURES) + len(EXPRESSIONS))}, "the models without them are not reused"
    assert "3 mined factors are features of the model" in said

    put_in_force(workspace.user_data, EXPRESSIONS, datetime(2024, 3, 2, tzinfo=UTC))
    trained, said = run(workspace)
    assert "was chosen on data up to 2024-03-02" in said
    assert trained == set(), "the same run as the first, whose predictions are there"

    features_file(workspace.user_data).write_text("")
    trained, said = run(workspace)
    assert "no factor is used" in said
    assert trained == set()
