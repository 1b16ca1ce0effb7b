"""`freqtrade trade --dry-run` on the live sandbox: trains, decides, trades, and goes on retraining."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

import pytest

from agent_market.sandbox.market import LiveMarket, SyntheticSource
from tests.helpers.dry_run_bot import BAD, CONFIG, PAIRS, QUICK_STRATEGY, TRADES_DB, bot
from tests.helpers.workspace import Workspace, make_workspace, sandbox, unwrapped

PATIENCE_S = 600


def closed_trades(workspace: Workspace) -> list[tuple[str, str]]:
    """Pair and entry tag of every closed trade, read without write access."""
    file = workspace.user_data / TRADES_DB
    if not file.exists():
        return []
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT pair, enter_tag FROM trades WHERE is_open = 0").fetchall()


def trainings(text: str, pair: str) -> int:
    return len(re.findall(rf"Done training {re.escape(pair)} ", text))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_dry_run_trains_decides_trades_and_retrains_at_least_twice(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    with sandbox(LiveMarket(SyntheticSource(seed=11))) as (endpoints, _):
        workspace = make_workspace(tmp_path, endpoints)
        (workspace.user_data / "strategies" / "QuickStrategy.py").write_text(QUICK_STRATEGY)
        (workspace.user_data / "live_data").mkdir()
        workspace.config(CONFIG)
        with bot(workspace, log) as process:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                time.sleep(2)
                text = unwrapped(log)
                assert process.poll() is None, text[-4000:]
                assert not [bad for bad in BAD if bad in text], text[-6000:]
                retrained = all(trainings(text, pair) >= 3 for pair in PAIRS)
                if retrained and closed_trades(workspace):
                    break
        text = unwrapped(log)
        trained = {pair: trainings(text, pair) for pair in PAIRS}
        assert all(n >= 3 for n in trained.values()), f"{trained}\n{text[-4000:]}"
        trades = closed_trades(workspace)
        assert trades, text[-4000:]
        episodes = workspace.episodes("live")
        decided = {e.id for e in episodes}
        assert any(e.outcome is not None for e in episodes)
        assert all(not view.abstains for view in episodes[-1].views if view.agent in ("aggressive", "quant"))
        named = [tag.split(" ")[-1] for _, tag in trades]
        assert set(named) <= decided, f"tags {named} name no decision of {sorted(decided)}"
