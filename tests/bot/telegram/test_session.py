"""A real dry-run bot with a real python-telegram-bot session against the sandbox's Bot API."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from agent_market.bot.confirmations import Confirmations
from agent_market.bot.telegram import memory
from agent_market.bot.telegram.commands import COMMANDS
from agent_market.config import StoreSettings
from agent_market.records import Debate, DebateTurn
from agent_market.sandbox.server import running
from agent_market.sandbox.telegram import create_telegram_app
from agent_market.store.database import Database, store_url
from agent_market.store.episodes import write_episodes
from tests.helpers.dry_bot import PAIRS, DryBot, dry_bot
from tests.helpers.episode_makers import an_episode, an_outcome
from tests.helpers.phone import CHAT, PATIENCE_S, TOKEN, USER, Chat, telegram_section, wait

pytestmark = pytest.mark.slow

STRANGER = 666
ETH = PAIRS[1]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DryBot, Chat]]:
    folder = tmp_path_factory.mktemp("telegram")
    with ExitStack() as stack:
        url = stack.enter_context(running(create_telegram_app(TOKEN)))
        ours = {"bot": {"telegram": {"base_url": f"{url}/bot"}}}
        _decide(folder)
        dry = stack.enter_context(dry_bot(folder, {"telegram": telegram_section(), "agent_market": ours}))
        chat = Chat(stack.enter_context(httpx.Client(base_url=url)))
        wait(lambda: chat.client.get("/admin/commands").json())
        yield dry, chat
        dry.attachment.detach()
        wait(lambda: not [t for t in threading.enumerate() if t.name.startswith("agent-market-telegram")])


def _decide(folder: Any) -> None:
    """Decisions as the entry tags of the test's strategy name them, one of them after a debate."""
    database = Database(store_url(StoreSettings().url, folder))
    debate = Debate(
        "the views differ", (DebateTurn("quant", "proposal", lines=("up it goes",)),), "all agreed"
    )
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for pair in PAIRS:
        made = an_episode(1, depths={"quant": 4.0, "judge": 2.0}, pair=pair, scope="live", belief="trend")
        made = replace(
            made,
            view=replace(made.view, asof=now, close=100.0),
            recall=replace(made.recall, asof=now),
            decision=replace(made.decision, id=f"{pair}@now", asof=now, action="buy"),
            verdict=replace(made.verdict, action="buy"),
            due=now + timedelta(hours=12),
            debate=debate if pair == PAIRS[0] else None,
        )
        old = an_episode(1, depths={"quant": 4.0}, outcome=an_outcome(13, 0.02), pair=pair, scope="live")
        write_episodes(database, [old, made])
    database.close()


def test_an_entry_waits_for_a_yes_and_a_no_or_silence_orders_nothing(session: tuple[DryBot, Chat]) -> None:
    dry, chat = session
    chat.asks("/mode confirm", "Each entry waits for your yes")
    before = len(chat.sent())
    dry.process()
    yes, no = (chat.wait(f"Enter {pair} long?", before) for pair in (ETH, PAIRS[2]))
    dry.process()
    assert dry.orders == [], "nobody said yes"
    chat.press(yes["message_id"], _button(yes, "y"), user=STRANGER)
    chat.press(no["message_id"], _button(no, "n"))
    chat.wait("No by telegram:42", before, "editMessageText")
    assert ETH in {p.pair for p in dry.attachment.confirmations.pending()}, "a stranger's yes is none"
    chat.press(yes["message_id"], _button(yes, "y"))
    chat.wait("Yes by telegram:42", before, "editMessageText")
    dry.process()
    assert [order.pair for order in dry.orders] == [ETH]

    asked = Confirmations(timedelta(seconds=1)).ask("A/USDT", "long", "t", 1.0, 1.0, 1.0)[0]
    dry.attachment.confirmations._proposals["A/USDT", "long", "t"] = replace(asked, number=99)
    dry.attachment.bus.publish("warning", "proposal", "confirm?", proposal=99)
    chat.wait("No answer: nothing is ordered.", before, "editMessageText")
    chat.asks("/mode auto", "Mode auto")


def test_every_command_is_answered(session: tuple[DryBot, Chat]) -> None:
    dry, chat = session
    wait(lambda: ETH in dry.open_notional())
    answered = {
        "agents": chat.asks("/agents", "Trust, from 10 decisions, 5 with a known outcome"),
        "why": chat.asks("/why 1", "Trade 1 follows"),
        "debate": chat.asks("/debate", "A full debate was held: the views differ."),
        "teach": chat.asks("/teach BTC/USDT funding turns before price", "Taught on BTC/USDT as note"),
        "memory": chat.asks("/memory funding turns", "funding turns before price ["),
        "risk": chat.asks("/risk", "Breaker: not frozen"),
        "alerts": chat.asks("/alerts all", "Newest alerts"),
        "plan": chat.asks("/plan", "- ETH/USDT: buy at depth +3.0, traded"),
        "cost": chat.asks("/cost", "Today: 0.0000 of"),
        "pause_ai": chat.asks("/pause_ai big news", "by telegram:42 (anna): big news; mode auto"),
        "resume_ai": chat.asks("/resume_ai", "Entries: on; mode auto"),
        "mode": chat.asks("/mode manual", "Mode manual"),
        "review": chat.asks("/review 3", "Review of 3 days"),
    }
    assert set(answered) == {command.name for command in COMMANDS}
    assert "- quant +4.0, weight 0.50: trend" in answered["why"]
    assert "Fate: traded" in answered["why"]
    assert "by telegram:42 (anna), 20" in answered["teach"]
    assert dry.attachment.control.state().mode == "manual"
    chat.asks("/mode auto", "Mode auto")


def test_help_and_menu_list_every_command_beside_freqtrades(session: tuple[DryBot, Chat]) -> None:
    _, chat = session
    before = chat.say("/help")
    chat.wait("Starts the trader", before)
    told = chat.wait("Agent Market\n", before)["text"]
    menu = [command["command"] for command in chat.client.get("/admin/commands").json()]
    for command in COMMANDS:
        assert f"/{command.name}" in told
        assert command.name in menu
    assert {"status", "count", "stop"} <= set(menu)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/mode yolo", "there is no mode 'yolo'"),
        ("/why 999", "there is no trade 999"),
        ("/debate no@where", "no decision 'no@where'"),
        ("/teach", "say what the agents should know"),
        ("/review soon", "'soon' is no number from 1 to 365"),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_wrong(
    text: str, words: str, session: tuple[DryBot, Chat]
) -> None:
    session[1].asks(text, words)


@pytest.mark.parametrize(("chat_id", "user"), [(STRANGER, USER), (CHAT, STRANGER)])
def test_a_strangers_chat_and_a_strange_user_are_refused(
    chat_id: int, user: int, session: tuple[DryBot, Chat], caplog: pytest.LogCaptureFixture
) -> None:
    dry, chat = session
    before = len(chat.sent())
    with caplog.at_level("INFO", logger="freqtrade.rpc.telegram"):
        for command in COMMANDS:
            chat.say(f"/{command.name} auto", chat_id, user)
        chat.asks("/cost", "Cost of models")  # updates are taken in order: the stranger's were before it
        wait(lambda: str(STRANGER) in caplog.text)
    heard = [s["text"].splitlines()[0] for s in chat.sent(before) if s["method"] == "sendMessage"]
    assert heard == ["Cost of models in USD"]
    assert not dry.attachment.control.state().paused


def test_count_and_the_switch_are_answered_while_slow_questions_run(
    session: tuple[DryBot, Chat], monkeypatch: pytest.MonkeyPatch
) -> None:
    dry, chat = session
    under_way, released = threading.Semaphore(0), threading.Event()

    def slow(*given: Any, **named: Any) -> tuple[()]:
        under_way.release()
        assert released.wait(PATIENCE_S)
        return ()

    monkeypatch.setattr(memory, "search_memory", slow)
    before = chat.say("/memory first")
    for text in ("second", "third"):  # more than run at once
        chat.say(f"/memory {text}")
    assert under_way.acquire(timeout=PATIENCE_S)
    assert under_way.acquire(timeout=PATIENCE_S)
    chat.asks("/count", "current    max")
    chat.asks("/pause_ai", "Paused")
    assert dry.attachment.control.state().paused
    chat.asks("/resume_ai", "Resumed")
    assert not [s for s in chat.sent(before) if "Memory has nothing" in s["text"]]
    released.set()
    for text in ("first", "second", "third"):
        chat.wait(f"Memory has nothing on '{text}'", before)


def test_an_alert_with_marks_in_it_arrives_and_one_below_the_level_does_not(
    session: tuple[DryBot, Chat],
) -> None:
    dry, chat = session
    before = len(chat.sent())
    dry.attachment.bus.publish("info", "clamp", "quiet_one")
    dry.attachment.bus.publish("critical", "breaker", "flash_crash <0.2> `beyond` *0.1")
    told = chat.wait("flash_crash <0.2> `beyond` *0.1", before)
    assert "critical: breaker" in told["text"]
    assert not [s for s in chat.sent(before) if "quiet_one" in s["text"]]


def test_no_secret_is_told_by_an_answer_an_alert_or_the_log(
    session: tuple[DryBot, Chat], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dry, chat = session

    def leaks(*given: Any, **named: Any) -> tuple[()]:
        raise RuntimeError(f"asked with {TOKEN}")

    monkeypatch.setattr(memory, "search_memory", leaks)
    before = len(chat.sent())
    assert "/memory failed: RuntimeError('asked with ***')" in chat.asks("/memory x", "/memory failed")
    dry.attachment.fault("planted leak", RuntimeError(f"asked with {TOKEN}"))
    chat.wait("planted leak: RuntimeError('asked with ***')", before)
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "RuntimeError: asked with ***" in logged
    assert TOKEN not in logged + "".join(s["text"] for s in chat.sent())


def _button(message: dict[str, Any], letter: str) -> str:
    return next(b["callback_data"] for b in message["buttons"] if b["callback_data"].endswith(letter))
