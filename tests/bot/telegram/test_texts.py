"""What the commands say, from records made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from agent_market.bot.confirmations import EntryProposal
from agent_market.bot.control import ControlState
from agent_market.bot.journal.journal import clamp_json
from agent_market.bot.telegram.agents import agents_text
from agent_market.bot.telegram.commands import COMMANDS, help_text
from agent_market.bot.telegram.cost import cost_text
from agent_market.bot.telegram.formatting import LONGEST, MOST_PARTS, messages
from agent_market.bot.telegram.questions import answer_text, question_text
from agent_market.bot.telegram.risk import book_text, breaker_text, plan_text, switch_text
from agent_market.config import Caps, DecisionSettings, RiskSettings
from agent_market.queries.cost import Cost, Share
from agent_market.queries.decisions import DecisionRow, fate_of
from agent_market.records import Clamp, RiskResult
from agent_market.reports.review import Closed, review_text
from agent_market.reports.scorecards import scorecards
from agent_market.reports.why import why_text
from agent_market.risk.breaker import BreakerState
from agent_market.risk.orders import Book, Holding
from agent_market.risk.systemic import Alarm
from agent_market.sandbox.telegram.entities import visible
from agent_market.store.spend import Spent
from tests.helpers.episode_makers import an_episode, an_outcome

NOW = datetime(2024, 1, 2, 12, tzinfo=UTC)


def test_every_command_is_in_the_help_once_and_fits_telegrams_menu() -> None:
    names = [c.name for c in COMMANDS]
    assert names == [
        "agents",
        "why",
        "debate",
        "memory",
        "risk",
        "alerts",
        "plan",
        "cost",
        "pause_ai",
        "resume_ai",
        "mode",
        "teach",
        "review",
    ]
    assert all(help_text().count(f"\n/{name}") == 1 for name in names if name != "mode")
    assert all(len(c.name) <= 32 and c.name.islower() and len(c.tells) <= 256 for c in COMMANDS)


def test_agents_are_told_by_weight_with_what_they_earned() -> None:
    depths = {"bull": 10.0, "bear": -10.0}
    episodes = [an_episode(h, depths=depths, outcome=an_outcome(h + 12, 0.05)) for h in (1, 2)]
    text = agents_text(episodes, scorecards(episodes, DecisionSettings()))
    assert text.startswith("Trust, from 2 decisions, 2 with a known outcome")
    assert "bear: weight 0.50; lost" in text
    assert "bull: weight 0.50; earned" in text
    assert "right on the side 100%" in text
    assert agents_text([], ()) == "No decision yet: nobody has earned trust."


def test_why_tells_the_chain_from_view_to_fill() -> None:
    episode = an_episode(1, depths={"quant": 4.0}, belief="momentum & volume <agree>")
    turbulent = Clamp("turbulence", 0.99, 0.995, 4.0, 2.0)
    episode = replace(episode, verdict=RiskResult(2.0, "hold", (turbulent,)))
    lines = [
        {"kind": "clamps", "clamps": clamp_json((Clamp("symbol_notional", 0.3, 0.9, 9000.0, 3000.0),))},
        {"kind": "refusal", "mode": "initial", "cause": "vix", "run": "backtest/Mine"},
        {"kind": "refusal", "mode": "initial", "cause": "spread"},
        {"kind": "fill", "slippage": 0.0012, "seconds": 3.0},
    ]
    text = why_text(DecisionRow(episode, "traded", "spread", False), None, lines, "Trade 5 follows")
    assert text.splitlines() == [
        "Trade 5 follows BTC/USDT@1",
        "Seen: BTC/USDT 1h at 2024-01-01 01:00 UTC, regime chop-calm",
        "Remembered: no case like it",
        "- quant +4.0, weight 1.00: momentum & volume <agree>",
        "Together: depth +4.00 of 10, hold",
        "Limit on depth: turbulence +4.00 to +2.00 (limit 0.99, seen 0.995)",
        "Limit on the order: symbol_notional 9000 to 3000 (limit 0.3, seen 0.9)",
        "Refused (initial) in backtest/Mine: vix",
        "Refused (initial): spread",
        "Filled: slippage +0.120%, 3 s after the order",
        "Fate: traded (spread)",
        "Its outcome is known at 2024-01-01 13:00 UTC",
    ]
    assert unescape(messages(text)[0]).count("<agree>") == 1


def test_a_baselines_fill_is_told_as_its_own_and_is_not_the_decisions_fate() -> None:
    episode = an_episode(1, depths={"quant": -4.0})
    baselines = {"kind": "fill", "slippage": 0.0, "seconds": 0.0, "run": "backtest/AgentMarketQuantOnly"}
    assert fate_of(episode, [baselines]) == fate_of(episode, [])
    assert fate_of(episode, [baselines, {**baselines, "run": "backtest/Mine"}])[0] == "traded"
    text = why_text(DecisionRow(episode, "not_traded", "", False), None, [baselines], "")
    assert "Filled in backtest/AgentMarketQuantOnly: slippage +0.000%" in text


def test_state_tells_switch_breaker_and_book_against_their_limits() -> None:
    paused = ControlState(True, "confirm", "telegram:42", "news", NOW)
    assert switch_text(paused) == (
        "Entries: paused since 2024-01-02 12:00 UTC by telegram:42: news; mode confirm"
    )
    frozen = BreakerState((Alarm("vix", 40.0, 45.0),), NOW, NOW + timedelta(hours=1))
    assert "frozen until 2024-01-02 13:00 UTC" in breaker_text(frozen)
    assert "vix 45 beyond 40" in breaker_text(frozen)
    book = Book(1000.0, 700.0, (Holding("BTC/USDT", 1, 300.0, 30.0),))
    text = book_text(book, RiskSettings())
    assert "Equity 1,000.00, free 70% (at least 10% stays)" in text
    assert "All stops together: 3.00% of equity, limit 15%" in text
    assert "- BTC/USDT long: 30.0% of equity (limit 30%), 3.00% at its stop" in text


def test_the_plan_is_boldest_first_and_names_what_waits() -> None:
    timid, bold = an_episode(1, depths={"q": 1.0}), an_episode(1, depths={"q": -5.0}, pair="ETH/USDT")
    rows = [DecisionRow(e, "not_traded", "", False) for e in (timid, bold)]
    waiting = EntryProposal(1, "BTC/USDT", "long", "t", 100.0, 9.0, 1.0, NOW, NOW + timedelta(seconds=90))
    lines = plan_text(rows, (waiting,), ControlState(), NOW).splitlines()
    assert lines[2] == "Waits for your yes: BTC/USDT long, 90 s left"
    assert [line.split(":")[0] for line in lines[3:]] == ["- ETH/USDT", "- BTC/USDT"]


def test_the_review_sets_decisions_beside_always_long() -> None:
    episodes = [
        an_episode(1, depths={"q": 5.0}, outcome=an_outcome(13, 0.02)),  # half a stake: +1%
        an_episode(2, depths={"q": 10.0}, outcome=an_outcome(14, -0.04)),  # a whole one: -4%
    ]
    rows = [DecisionRow(e, "traded", "", False) for e in episodes]
    closed = [Closed("BTC/USDT", 0.1, 10.0), Closed("BTC/USDT", -0.2, -25.0)]
    text = review_text(7, rows, closed, "USDT")
    assert "2 outcomes known: -1.500% a decision after costs; always long -1.000%" in text
    assert "Right on the side: 1 of 2" in text
    assert "Best +1.00%: BTC/USDT@1" in text
    assert "2 trades closed, 1 with profit, together -15.00 USDT after fees" in text


def test_cost_is_told_against_its_caps() -> None:
    today = Spent(3, 900, 100, 250_000_000)
    share = Share("judge", "m", 3, 1000, None)
    cost = Cost("USD", today, today, today, Caps(calls=10, tokens=5000, cost=1.0), (share,))
    assert "Today: 0.2500 of 1, 3 of 10 calls, 1,000 of 5,000 tokens" in cost_text(cost)
    assert "- judge (m): no price known, 3 calls" in cost_text(cost)


def test_a_question_says_until_when_and_what_silence_means() -> None:
    until = NOW + timedelta(minutes=10)
    asked = EntryProposal(3, "BTC/USDT", "long", "agents +4 BTC/USDT@2024", 500.0, 9.5, 1.0, NOW, until)
    assert "Until 12:10:00 UTC; no answer means no." in question_text(asked)
    assert "/why BTC/USDT@2024" in question_text(asked)
    assert answer_text(None).startswith("Too late")


@pytest.mark.parametrize("text", ["a_b *c* `d` <e> & f", "x" * 9_000, "line\n" * 3_000, "&" * 4_000, ""])
def test_any_text_becomes_messages_that_telegram_takes(text: str) -> None:
    parts = messages(text)
    assert 1 <= len(parts) <= MOST_PARTS
    seen = [visible(part, "HTML") for part in parts]
    assert all(len(part) <= LONGEST for part in seen)
    if len(text) < LONGEST:
        assert seen == [text or "-"]
