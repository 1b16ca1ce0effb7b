"""A running bot follows its books: a promotion or withdrawal is in force at its next candle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import prompt_version, version_of
from agent_market.books import ShelfHolder
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.store.database import Database
from agent_market.store.prompts import StoredPrompt, promote, roll_back
from agent_market.stress.bots import StressedBot, exchange, stressed_bot

ROLE = "conservative"
OWN = version_of(next(role for role in ROLES if role.name == ROLE)) or ""
TEXTS = {"belief": "You follow volume.", "decision": "Small edges are small depths."}
TUNED = StoredPrompt(prompt_version(ROLE, TEXTS), ROLE, TEXTS, OWN)
NEWS = '{"known_at": "%s", "title": "%s", "assets": []}\n'


@contextmanager
def advised(folder: Path, **section: Any) -> Iterator[StressedBot]:
    """A dry-run bot whose committee decides on every pair after `ask_again`, over the sandbox's model."""
    with ExitStack() as stack:
        server = stack.enter_context(exchange())
        model = stack.enter_context(running(create_model_app()))
        section = {
            "llm": {"base_url": f"{model}/v1", "mode": "live"},
            "agents": {"debate": {"mode": "compact"}},
            **section,
        }
        bot = stack.enter_context(stressed_bot(folder, server, strategy="Advised", section=section))
        bot.attachment.control.pause("test", "decisions alone are of interest")
        yield bot


def decided(bot: StressedBot) -> set[str | None]:
    """Versions of the prompt behind the views of the next loop's decisions."""
    bot.strategy.ask_again()
    bot.step()
    decisions = bot.strategy.decisions.values()
    assert decisions
    return {view.prompt for episode in decisions for view in episode.views if view.agent == ROLE}


def test_a_promotion_is_in_force_at_the_next_candle_and_its_withdrawal_too(tmp_path: Path) -> None:
    with advised(tmp_path) as bot:
        # Another process promotes: the worker, or a person at the command line.
        store = Database(f"sqlite:///{tmp_path}/agent_market.sqlite")
        assert decided(bot) == {OWN}
        before = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
        promote(store, TUNED, OWN, before, {"model": bot.strategy.settings.llm.model})
        assert decided(bot) == {TUNED.version}
        assert [a.text for a in bot.attachment.bus.recent(9) if a.topic == "control"][-1].startswith(
            "a prompt was promoted or withdrawn"
        )
        roll_back(store, ROLE, since=before + timedelta(minutes=1))
        assert decided(bot) == {OWN}
        # A decision as of a moment at which it was in force still has it.
        shelf = bot.strategy.books()
        assert TUNED.version in map(version_of, shelf.prompts.at(before))
        assert TUNED.version not in map(version_of, shelf.prompts.at(before + timedelta(minutes=1)))
        store.close()


def test_news_reaches_the_next_decision_and_a_damaged_file_is_alerted_and_leaves_what_was_known(
    tmp_path: Path,
) -> None:
    file = tmp_path / "news.jsonl"
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    file.write_text(NEWS % (hour_ago, "Rates rise"))
    with advised(tmp_path, perception={"news": {"files": [str(file)]}}) as bot:
        assert shown(bot) == {("Rates rise",)}
        with file.open("a") as growing:
            growing.write(NEWS % ((datetime.now(UTC) - timedelta(minutes=30)).isoformat(), "Fees fall"))
        assert shown(bot) == {("Fees fall", "Rates rise")}
        file.write_text("damaged\n")
        assert shown(bot) == {("Fees fall", "Rates rise")}
        faults = [a.text for a in bot.attachment.bus.recent(20) if a.topic == "fault"]
        assert [text for text in faults if "the book of news" in text and "line 1" in text]


def shown(bot: StressedBot) -> set[tuple[str, ...]]:
    bot.strategy.ask_again()
    bot.step()
    return {tuple(h.text for h in e.view.headlines) for e in bot.strategy.decisions.values()}


def test_the_bots_loop_is_the_one_place_that_refreshes_books() -> None:
    package = Path(ShelfHolder.refresh.__code__.co_filename).parent
    calls = [
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if re.search(r"(books|_holder)(\(\))?\.refresh\(", file.read_text())
    ]
    assert sorted(calls) == ["freqai/ensemble.py", "strategy/guarded.py"]
