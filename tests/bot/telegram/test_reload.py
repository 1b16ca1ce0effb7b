"""`/reload_config` from the phone: freqtrade takes the bot down and makes it anew, and we come with it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from freqtrade.worker import Worker

from agent_market.bot.attach import current
from agent_market.bot.telegram.bridge import SLOW_AT_ONCE
from agent_market.bot.telegram.commands import COMMANDS
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.market import LiveMarket, SyntheticSource
from agent_market.sandbox.market.candles import DAY
from agent_market.sandbox.market.clock import wall_clock
from agent_market.sandbox.server import running
from agent_market.sandbox.telegram import create_telegram_app
from tests.helpers.dry_bot import PAIRS, config_of
from tests.helpers.phone import TOKEN, Chat, telegram_section, wait

pytestmark = pytest.mark.slow


class Ended(Exception):
    """The test is over."""


class EndingWorker(Worker):
    """Freqtrade's own, which would run for ever."""

    ending = threading.Event()

    def _worker(self, old_state: Any) -> Any:
        if self.ending.is_set():
            raise Ended
        return super()._worker(old_state)


@pytest.fixture
def trading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Chat, Path]]:
    """A phone, and the config file of the bot that `freqtrade trade`'s worker runs beside the test."""
    monkeypatch.setattr("freqtrade.configuration.configuration.setup_logging", lambda config: None)
    market = LiveMarket(SyntheticSource(seed=11, pairs=PAIRS, start=wall_clock() // DAY * DAY - 3 * DAY))
    with ExitStack() as stack:
        exchange = stack.enter_context(running(create_exchange_app(market)))
        telegram = stack.enter_context(running(create_telegram_app(TOKEN)))
        changes = {
            "telegram": telegram_section(),
            "internals": {"process_throttle_secs": 1},
            "db_url": f"sqlite:///{tmp_path}/trades.sqlite",
            "agent_market": {"bot": {"telegram": {"base_url": f"{telegram}/bot"}}},
        }
        file = config_of(tmp_path, exchange, changes, "", futures=False)
        EndingWorker.ending.clear()
        arguments = {"config": [str(file)], "user_data_dir": str(tmp_path), "datadir": str(tmp_path)}
        chat = Chat(stack.enter_context(httpx.Client(base_url=telegram)))
        thread = threading.Thread(target=_trade, args=(arguments,), name="trader")
        thread.start()
        try:
            wait(lambda: chat.client.get("/admin/commands").json())
            yield chat, file
        finally:
            EndingWorker.ending.set()
            thread.join(60)
        assert not beside()


def _trade(arguments: dict[str, Any]) -> None:
    worker = EndingWorker(arguments)
    try:
        worker.run()
    except Ended:
        worker.exit()


def beside() -> Counter[str]:
    """Threads of ours and of freqtrade's Telegram, by name."""
    names = (t.name.partition("_")[0] for t in threading.enumerate())
    return Counter(n for n in names if n.startswith(("agent-market", "FTTelegram")))


def test_after_each_reload_commands_answer_once_with_the_new_settings_and_no_thread_is_left(
    trading: tuple[Chat, Path],
) -> None:
    chat, file = trading
    chat.asks("/risk", "Breaker: not frozen")
    chat.asks("/plan", "there is no store yet")
    chat.asks("/mode", "/mode auto, /mode confirm or")
    before, first = beside(), current()
    before["agent-market-telegram-answer"] = SLOW_AT_ONCE  # started as they are needed
    for time in (1, 2):
        written = json.loads(file.read_text())
        written["agent_market"]["risk"]["entry"] = {"symbol_notional": 0.1 * time}
        written["agent_market"]["bot"]["alerts"] = {"telegram": "info"}
        file.write_text(json.dumps(written))
        old, told = current(), chat.say("/reload_config")
        wait(lambda old=old: current() not in (None, old))
        installed = "risk gate installed; mode auto"
        chat.wait(installed, told)
        attachment = current()
        assert attachment is not None
        assert attachment.desk.settings.entry.symbol_notional == pytest.approx(0.1 * time)

        asked = chat.say("/risk")
        for command in ("/mode", "/plan"):
            chat.say(command)
        answers = ("Breaker: not frozen", "/mode auto, /mode confirm or", "there is no store yet")
        for words in answers:
            chat.wait(words, asked)
        chat.asks("/count", "current    max")
        heard = [s["text"] for s in chat.sent(told) if s["method"] == "sendMessage"]
        for words in (*answers, installed, "Reloading config"):
            assert len([text for text in heard if words in text]) == 1, (words, heard)
        menu = [command["command"] for command in chat.client.get("/admin/commands").json()]
        assert all(menu.count(command.name) == 1 for command in COMMANDS)
        wait(lambda: beside() <= before, lambda: (beside(), before))
    assert current() is not first
