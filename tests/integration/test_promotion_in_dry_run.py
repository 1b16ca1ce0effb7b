"""A prompt promoted and withdrawn while `freqtrade trade --dry-run` runs our FreqAI model: no restart."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import prompt_version, version_of
from agent_market.records import Episode
from agent_market.sandbox.market import LiveMarket, SyntheticSource
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from agent_market.store.prompts import StoredPrompt, promote, promotions, roll_back
from tests.helpers.dry_run_bot import BAD, CONFIG, QUICK_STRATEGY, bot
from tests.helpers.workspace import Workspace, make_workspace, sandbox, unwrapped

PATIENCE_S = 900
ROLE = "conservative"
OWN = version_of(next(role for role in ROLES if role.name == ROLE)) or ""
TEXTS = {"belief": "You follow volume.", "decision": "Small edges are small depths."}
TUNED = StoredPrompt(prompt_version(ROLE, TEXTS), ROLE, TEXTS, OWN)


class Running:
    """The bot's process, its log and its store."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, workspace: Workspace) -> None:
        self.process, self.log, self.workspace = process, log, workspace

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            text = unwrapped(self.log)
            assert self.process.poll() is None, text[-4000:]
            assert not [bad for bad in BAD if bad in text], text[-6000:]
            if done():
                return
            time.sleep(2)
        raise AssertionError(unwrapped(self.log)[-4000:])

    def decided(self, version: str, after: datetime) -> bool:
        """Whether a decision later than `after` rests on that version."""
        return any(asof > after and used == version for asof, used in prompts(self.episodes()).items())

    def episodes(self) -> tuple[Episode, ...]:
        file = self.workspace.user_data / "agent_market.sqlite"
        if not file.exists():
            return ()
        database = Database(f"sqlite:///{file}")
        try:
            return episodes_of(database, "live")
        finally:
            database.close()


def prompts(episodes: tuple[Episode, ...]) -> dict[datetime, str | None]:
    """The version behind the agent's view at each moment of decision."""
    return {e.view.asof: v.prompt for e in episodes for v in e.views if v.agent == ROLE and not v.abstains}


@pytest.mark.slow
@pytest.mark.nightly  # mostly waits for 1m candles; tests/bot/test_books_live.py shows the same in process
@pytest.mark.timeout(3000)
def test_a_promotion_is_used_from_the_next_candle_and_its_withdrawal_goes_back(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    with sandbox(LiveMarket(SyntheticSource(seed=11))) as (endpoints, _):
        workspace = make_workspace(tmp_path, endpoints)
        (workspace.user_data / "strategies" / "QuickStrategy.py").write_text(QUICK_STRATEGY)
        (workspace.user_data / "live_data").mkdir()
        workspace.config(CONFIG)
        with bot(workspace, log) as process:
            running = Running(process, log, workspace)
            start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
            running.until(lambda: running.decided(OWN, start))
            store = Database(f"sqlite:///{workspace.user_data / 'agent_market.sqlite'}")
            before = running.episodes()
            promoted = datetime.now(UTC).replace(microsecond=0)
            promote(store, TUNED, OWN, promoted, {"model": workspace.manifest().llm_model})
            running.until(lambda: running.decided(TUNED.version, promoted))
            used = running.episodes()
            roll_back(store, ROLE, since=datetime.now(UTC))
            (promotion,) = promotions(store, ROLE)
            assert promotion.ends is not None
            running.until(lambda: running.decided(OWN, promotion.ends or promoted))
            store.close()
            episodes = running.episodes()
    # Earlier rows keep theirs, whatever was promoted or withdrawn since.
    assert prompts(before).items() <= prompts(used).items() <= prompts(episodes).items()
    assert {used for asof, used in prompts(episodes).items() if asof < promoted} == {OWN}
    late = [used for asof, used in prompts(episodes).items() if asof > promotion.ends + timedelta(minutes=3)]
    assert set(late) <= {OWN}
