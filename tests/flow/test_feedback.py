from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from agent_market.agents.prompts.feedback import FeedbackBook
from agent_market.config import load_settings
from agent_market.reports.backtest_result import load_run
from agent_market.reports.comparison import compare
from agent_market.reports.content import ReportContent
from agent_market.reports.feedback import (
    FEEDBACK_FILE,
    MALFORMED_FILE,
    RoundEntry,
    append_feedback,
    feedback_lines,
    known_at,
    summary,
    visible_feedback,
)
from tests.helpers.backtest_results import START, make_candles, make_trade, write_result
from tests.helpers.sample_episodes import make_history

MARCH = datetime(2024, 3, 1, 1, tzinfo=UTC)


def entry(round_number=1, scope="demo-1", at=MARCH, lines=("a line",)):
    return RoundEntry(at, round_number, lines, scope).to_json()


@pytest.fixture
def content(tmp_path):
    trades = [make_trade(opened=START + timedelta(days=n), close_rate=98.0) for n in range(5)]
    names = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")
    run = load_run(write_result(tmp_path, {names[0]: trades, names[1]: [], names[2]: []}, days=40))
    candles = {pair: make_candles([100.0] * (40 * 24 + 1)) for pair in run.first.pairs}
    return ReportContent(
        run=run,
        comparison=compare(run, candles, 0.001),
        episodes=make_history(days=40),
        candles=candles,
        settings=load_settings({}),
        written_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_an_entry_is_read_back_by_the_agents_at_its_time_and_not_before(tmp_path):
    append_feedback(tmp_path, entry(lines=("the first", "round")))
    book = FeedbackBook.load(tmp_path / FEEDBACK_FILE, 3)
    assert book.at(MARCH) == ("the first", "round")
    assert book.at(MARCH - timedelta(seconds=1)) == ()


def test_earlier_lines_are_kept_and_the_same_entry_is_written_once(tmp_path):
    file = tmp_path / FEEDBACK_FILE
    by_hand = '{"known_at": "2023-01-01T00:00:00Z", "round": 0, "lines": ["by hand"], "extra": 1}'
    file.write_text(by_hand + "\n")
    for _ in range(2):
        assert append_feedback(tmp_path, entry()) == ()
    append_feedback(tmp_path, entry(2))
    lines = file.read_text().splitlines()
    assert lines[0] == by_hand
    assert [json.loads(line)["round"] for line in lines] == [0, 1, 2]
    assert [p.name for p in tmp_path.iterdir()] == [FEEDBACK_FILE]


def test_a_malformed_line_is_reported_and_put_aside_not_lost(tmp_path):
    file = tmp_path / FEEDBACK_FILE
    append_feedback(tmp_path, entry())
    with file.open("ab") as handle:
        handle.write(b'{"known_at": "yesterday", "round": 1, "lines": []}\n{"half\n\xff\xfe\n')
    moved = append_feedback(tmp_path, entry(2))
    assert len(moved) == 3
    assert f"{file}:2" in moved[0]
    assert [json.loads(line)["round"] for line in file.read_text().splitlines()] == [1, 2]
    kept = (tmp_path / MALFORMED_FILE).read_bytes().splitlines()
    assert kept == [b'{"known_at": "yesterday", "round": 1, "lines": []}', b'{"half', b"\xff\xfe"]
    with file.open("a") as handle:
        handle.write("again\n")
    append_feedback(tmp_path, entry(2))
    assert (tmp_path / MALFORMED_FILE).read_bytes().splitlines()[-1] == b"again"


def test_a_round_sees_earlier_rounds_of_its_own_flow_and_what_people_wrote(tmp_path):
    for number in (1, 2, 3):
        append_feedback(tmp_path, entry(number, lines=(f"own {number}",)))
    append_feedback(tmp_path, entry(1, scope="other-2", lines=("foreign",)))
    with (tmp_path / FEEDBACK_FILE).open("a") as handle:
        handle.write('{"known_at": "2023-01-01T00:00:00Z", "round": 0, "lines": ["by hand"]}\n')
    shown = [json.loads(line)["lines"][0] for line in visible_feedback(tmp_path, "demo-1", 3).splitlines()]
    assert shown == ["own 1", "own 2", "by hand"]
    assert visible_feedback(tmp_path / "nowhere", "demo-1", 1) == ""


def test_lines_hold_no_pair_no_date_and_no_price(content):
    lines = feedback_lines(content)
    text = "\n".join(lines)
    assert lines[0].startswith("The committee lost 1.")
    assert "Agent aggressive" in text
    assert "In regime up-calm" in text
    assert "Risk limits reduced" in text
    for hidden in ("BTC", "ETH", "USDT", "2024", "2026", "Momentum"):
        assert hidden not in text
    assert not re.search(r"\d{4}-\d\d", text)
    assert feedback_lines(content) == lines


def test_the_summary_is_plain_json_with_every_contender_and_agent(content):
    packed = json.loads(json.dumps(summary(content, "demo-1", 2), allow_nan=False))
    assert packed["round"] == 2
    assert packed["known_at"] == "2024-02-10T01:00:00Z"
    assert known_at(content) == datetime(2024, 2, 10, 1, tzinfo=UTC)
    assert [c["part"] for c in packed["contenders"]] == [
        "agents",
        "equal_weights",
        "quant_only",
        "buy_and_hold",
    ]
    assert {d["baseline"] for d in packed["differences"]} == {"equal_weights", "quant_only", "buy_and_hold"}
    assert [a["agent"] for a in packed["agents"]] == [
        "aggressive",
        "conservative",
        "quant",
        "memory",
        "judge",
    ]
    assert packed["verdict"][0].startswith("The agents did not beat")


def test_no_trades_and_no_decisions_still_make_a_line(tmp_path):
    run = load_run(write_result(tmp_path, {"AgentMarketStrategy": []}, days=40))
    content = ReportContent(run, compare(run, {}, 0.001), (), {}, load_settings({}), datetime.now(UTC))
    assert feedback_lines(content) == (
        "The committee came out even after costs, with 0 trades; its deepest fall from a high was 0.0%.",
    )
