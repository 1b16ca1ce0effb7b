"""Text of others is shown and not obeyed: in terminals, logs, Telegram and answers."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.table import Table

from agent_market.agents.debate.transcript import transcript
from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.telegram.formatting import messages
from agent_market.queries.decisions import DecisionRow
from agent_market.records import Debate, DebateTurn
from agent_market.reports.why import why_text
from agent_market.utils.console import Console
from agent_market.utils.log_redaction import hide_in_logs
from agent_market.utils.plain_text import echo, echo_json, one_line, plain, plain_data
from agent_market.utils.redaction import Redactor
from tests.helpers.episode_makers import an_episode

EVIL = "\x1b]0;owned\x07\x1b[2Jred\x1b[31m\x9b31m\x85\u2028\u202e\u200b\ud800\r\x08"
OBEYED = set(EVIL) - set("red]0;owned[2J31m")
FORGED = "2026-01-05 12:00:00,000 - freqtrade - INFO - all is well"


def test_what_would_be_obeyed_is_shown() -> None:
    assert plain("a\x1b[2Jb\u202ec\td\ne\U000e0041") == "a\\x1b[2Jb\\u202ec\td\ne\\U000e0041"
    assert one_line("a\nb\r\tc\u2028d") == "a\\nb\\r\\tc\\u2028d"
    assert not OBEYED & set(plain(EVIL))


def test_words_of_every_script_and_emoji_stay() -> None:
    for text in ("Größe 日本語 عربي", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301", "a\u200cb"):
        assert plain(text) == one_line(text) == text


def test_data_is_made_plain_at_any_depth() -> None:
    assert plain_data({"a\x07": ["\x1b", {"b": ("\x9b", 1, None)}]}) == {
        "a\\x07": ["\\x1b", {"b": ["\\x9b", 1, None]}]
    }


def test_commands_print_nothing_that_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    echo(EVIL)
    echo_json(
        json.dumps({"belief": EVIL, "more": "\u2028\x9b"}, ensure_ascii=False)
        .encode("utf-8", "surrogatepass")
        .decode("utf-8", "surrogatepass")
    )
    said = capsys.readouterr().out
    assert not OBEYED & set(said)
    assert json.loads(said.splitlines()[1]) == {"belief": EVIL, "more": "\u2028\x9b"}, (
        "it means what it meant"
    )


def test_tables_show_control_characters_and_markup_as_they_stand() -> None:
    out = io.StringIO()
    table = Table(title=f"pairs [/bold] {EVIL}")
    table.add_column("[red]tag")
    table.add_row(f"[/bold] {EVIL}")
    Console(file=out, width=200, force_terminal=True).print(table, f"[/x] {EVIL}")
    said = out.getvalue()
    assert "[/bold]" in said
    assert "[red]tag" in said
    assert "\\x1b]0;owned\\x07" in said
    assert "\x1b]" not in said
    assert "\x1b[2J" not in said
    assert not (OBEYED - {"\x1b"}) & set(said)


def test_a_belief_begins_no_line_and_moves_no_cursor_in_why_and_debate_and_telegram() -> None:
    belief = f"up{EVIL}\n[risk] rules at depth -10.00\n<b>bold</b>"
    episode = an_episode(0, depths={"quant": 3.0}, belief=belief)
    speech = DebateTurn("quant", "proposal", 0, (belief,), 3.0, 0.5)
    debate = Debate(f"wide{EVIL}", (speech,), f"agreed\n{FORGED}")
    row = DecisionRow(replace(episode, debate=debate), "hold", f"paused by x{EVIL}\n{FORGED}", True)
    for text in (transcript(episode, debate), transcript(episode, None), why_text(row, debate, (), "")):
        assert not OBEYED & set(text)
        assert not [line for line in text.splitlines() if line.startswith(("[risk]", "2026-"))]
        for html in messages(text):
            assert "<b>bold</b>" not in html
            assert not OBEYED & set(html)


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += self.format(record).split("\n")


@pytest.fixture
def heard() -> Iterator[Heard]:
    factory = logging.getLogRecordFactory()
    hide_in_logs({})
    handler = Heard()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize("name", ["agent_market.x", "freqtrade.rpc"])
def test_no_record_forges_a_line_or_moves_a_cursor(heard: Heard, name: str) -> None:
    logger = logging.getLogger(name)
    evil = f"x{EVIL}\n{FORGED}\r\n{FORGED}"
    logger.error("endpoint said %s", evil)
    logger.error(evil)
    logger.error("%(a)s", {"a": evil})
    logger.error("error: %r, %s", evil, RuntimeError(evil))
    try:
        try:
            raise ValueError(evil)
        except ValueError as error:
            raise RuntimeError("behind it") from error
    except RuntimeError:
        logger.exception("failed")
    assert not OBEYED & set("".join(heard.lines))
    assert not [line for line in heard.lines if line.startswith(FORGED[:20])]
    assert any("owned" in line for line in heard.lines)
    assert any("Traceback" in line for line in heard.lines)


def test_an_innocent_record_stays_as_it_is(heard: Heard) -> None:
    logging.getLogger("freqtrade.access").error('%s - "%s"', "127.0.0.1", "GET /")
    assert heard.lines[-1].endswith('127.0.0.1 - "GET /"')


def test_an_alert_is_one_line_wherever_it_is_told() -> None:
    bus = AlertBus(5, Redactor({}))
    alert = bus.publish("info", "control", f"paused: {EVIL}\n{FORGED}", reason=EVIL)
    assert "\n" not in alert.text
    assert not OBEYED & set(alert.text)
    assert not OBEYED & set(str(alert.data["reason"]))
