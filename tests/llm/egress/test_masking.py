"""Masked prompts tell neither market nor moment; the audit refuses those that do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.agents.committee import Committee
from agent_market.agents.roles import ROLES
from agent_market.config import AgentSettings, DebateSettings
from agent_market.features.features import WARM_UP, market_features
from agent_market.features.state import STATE_DIM
from agent_market.features.view import make_view
from agent_market.llm.answers.schemas import Said
from agent_market.llm.answers.sources import open_answers
from agent_market.llm.egress.audit import Audit
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.llm.egress.masking import Disguises, Mask
from agent_market.records import (
    AgentView,
    Decision,
    Episode,
    Headline,
    MarketView,
    Neighbour,
    Recall,
    RiskResult,
)
from agent_market.store.database import Database
from tests.helpers.agent_makers import ASOF, GIVEN, llm, market_view, recall
from tests.helpers.chat_server import chat_server
from tests.helpers.scripted_agents import ScriptedAgents, block_of, usual

VOCABULARY = Vocabulary(["BTC/USDT", "1INCH/USDT:USDT"], ["Foo Labs"])
CLOSE = 43210.5


def mask(close: float | None = CLOSE, pair: str = "BTC/USDT") -> Mask:
    return Disguises(VOCABULARY).of(replace(market_view(), close=close, pair=pair))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Bitcoin and BTC and BTCUSDT and BTC/USDT", "ASSET and ASSET and ASSET and ASSET/CASH"),
        ("bitcoin falls, ethereum and ETH follow", "ASSET falls, COIN-1 and COIN-1 follow"),
        ("bitcoin cash is not bitcoin", "COIN-1 is not ASSET"),
        ("Solana, then XRP, then SOL", "COIN-1, then COIN-2, then COIN-1"),
        ("Binance and Elon Musk on the halving", "FIRM and PERSON on the EVENT"),
        ("The SEC sues; Foo Labs and 1INCH fall", "The AUTHORITY sues; NAME and COIN-1 fall"),
        ("on 2024-03-05", "on today"),
        ("on 2024-03-01T08:00Z and March 1, 2024", "on 4 days ago and 4 days ago"),
        ("by 12 March 2024, since May 5, in 2021", "by in 7 days, since [a date], in [a date]"),
        ("05/03/2024 and 1709622000", "[a date] and [a date]"),
        ("breaks $43,210 at 43210.5 USDT", "breaks [100% of the price] at [100% of the price]"),
        ("from 40,000 dollars to 43k", "from [93% of the price] to [100% of the price]"),
        ("raises $12 million", "raises [an amount]"),
    ],
)
def test_names_dates_and_prices_are_replaced(text: str, masked: str) -> None:
    assert mask().text(text) == masked
    assert Audit(VOCABULARY, CLOSE).leak("", masked) is None


@pytest.mark.parametrize(
    "text",
    [
        "Near its high, the link to volume is a dot on the map; one op, no gas",
        "return_24 at +0.0123, volatility_168 up, 12.5% above, 3 of 8 cases",
        "over 1,234 decisions and 2021 candles, 43210 opinions, 168-candle high",
        "optimism may march on; the second view is a solid 0.43210",
    ],
)
def test_ordinary_words_and_numbers_stay(text: str) -> None:
    assert mask().text(text) == text
    assert Audit(VOCABULARY, CLOSE).leak("", text) is None


@given(st.text(max_size=300))
def test_what_was_masked_is_clean_and_masking_it_again_changes_nothing(text: str) -> None:
    once = mask().text(text)
    assert Audit(VOCABULARY, CLOSE).leak("", once) is None
    assert mask().text(once) == once


PIECES = """Bitcoin ETH BTCUSDT solana SEC Binance Musk halving $43,210 43210.5 43k 2024 2024-03-05 March 5th
1 2021 May 12 of , . - / dollars million USDT near the % days (BTC) x 1709622000 5 bitcoin cash Merge"""


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES.split()), max_size=14), st.sampled_from([" ", "", "-", ", "]))
def test_names_dates_and_prices_in_any_order_leave_nothing_to_find(parts: list[str], between: str) -> None:
    text = between.join(parts)
    assert Audit(VOCABULARY, CLOSE).leak("", mask().text(text)) is None


def fenced(body: str) -> str:
    return f"State.\n```json\n{body}\n```\nAnswer."


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ("BTC/USDT is the market", "symbol"),
        (fenced('{"feedback": ["as in bitcoin"]}'), "symbol"),
        (fenced('{"context": {"btc_dominance": 0.5}}'), "symbol"),
        (fenced('{"feedback": ["as in March 2020"]}'), "date"),
        (fenced('{"asof": "2024-03-05T07:00Z"}'), "date"),
        (fenced('{"asof": 1709622000}'), "date"),
        (fenced('{"asof": 1709622000000}'), "date"),
        (fenced('{"features": {"close": 43210.5}}'), "price"),
        (fenced('{"features": {"level": 43210.5}}'), "price"),
        (fenced('{"feedback": ["at 43210 it turned"]}'), "price"),
        (fenced('{"feedback": ["at $5 it turned"]}'), "price"),
        ("the price is 43,210.5", "price"),
        (fenced('{"broken": 2024-03-05'), "date"),
    ],
)
def test_a_planted_leak_of_each_kind_is_found(user: str, kind: str) -> None:
    leak = Audit(VOCABULARY, CLOSE).leak("You are an agent.", user)
    assert leak is not None
    assert kind in leak


def test_a_leak_in_a_system_message_is_found_but_not_a_number_that_equals_a_price() -> None:
    assert "symbol" in str(Audit(VOCABULARY, 168.0).leak("You trade Bitcoin.", ""))
    assert Audit(VOCABULARY, 240.0).leak("the last 240 values", "") is None


@pytest.mark.parametrize(
    "change",
    [
        {"context": {"price": CLOSE}},
        {"features": {"close": CLOSE}},
        {"features": {"rsi_14_2024-03-05": 0.5}},
    ],
)
def test_a_refused_prompt_is_an_abstention_with_its_cause_an_error_and_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, dict[str, float]]
) -> None:
    database = Database(f"sqlite:///{tmp_path}/s.sqlite")
    view = replace(market_view(), close=CLOSE, **change)
    seen: dict[str, list[AgentView]] = {}
    with chat_server() as server:
        for mode in ("record", "replay"):
            committee = Committee(ROLES, open_answers(llm(server.url, mode=mode, retries=0), database))
            with caplog.at_level(logging.ERROR):
                seen[mode] = list(committee.ask(view, recall(), GIVEN))
            committee.close()
        asked = [a.role for a in server.requests]
    refused = [v for v in seen["record"] if v.abstains]
    assert refused
    assert all(str(v.abstained_reason).startswith("PromptLeak: the prompt of agent") for v in refused)
    assert not {v.agent for v in refused} & set(asked)
    assert seen["replay"] == seen["record"], "replay repeats the refusal"
    assert any("PromptLeak" in r.message or "holds an absolute" in r.message for r in caplog.records)
    database.close()


def test_unmasked_prompts_say_which_market_and_are_not_audited() -> None:
    agents = ScriptedAgents()
    view = replace(market_view(), close=CLOSE)
    Committee(ROLES, agents, is_masked=False).ask(view, recall(), GIVEN)
    for request in agents.asked:
        assert block_of(request)["market"] == {
            "name": "BTC/USDT",
            "asof": "2024-03-05T07:00Z",
            "timeframe": "1h",
            "price": CLOSE,
        }
        assert request.leak() is None


@pytest.mark.parametrize(
    "names", [("funding_btc", "funding_eth"), ("funding_binance", "funding_kraken", "funding_okx")]
)
def test_series_of_several_coins_or_firms_stay_apart_when_they_are_masked(names: tuple[str, ...]) -> None:
    view = replace(market_view(), pair="SOL/USDT", context={name: float(n) for n, name in enumerate(names)})
    agents = ScriptedAgents()
    Committee(ROLES, agents).deliberate(view, recall(), GIVEN)
    shown = next(block["context"] for r in agents.asked if "context" in (block := block_of(r)))
    assert sorted(shown.values()) == [float(n) for n in range(len(names))]
    assert not set(names) & set(shown)


def test_a_coin_whose_symbol_is_a_number_does_not_silence_the_agents() -> None:
    glossary = {"return_4": "simple return over 4 candles"}
    committee = Committee(ROLES, ScriptedAgents(), glossary=glossary, vocabulary=Vocabulary(["4/USDT:USDT"]))
    views = committee.ask(replace(market_view(), pair="4/USDT:USDT"), recall(), GIVEN)
    assert [view.abstained_reason for view in views if view.abstains] == []
    hidden = Disguises(Vocabulary(["4/USDT"])).of(replace(market_view(), pair="4/USDT"))
    assert hidden.text("It rose on 4 of 5 days") == "It rose on 4 of 5 days"


def test_masked_and_unmasked_prompts_never_share_an_answer() -> None:
    masked, unmasked = ScriptedAgents(), ScriptedAgents()
    view = market_view()
    Committee(ROLES, masked).ask(view, recall(), GIVEN)
    Committee(ROLES, unmasked, is_masked=False).ask(view, recall(), GIVEN)
    assert not {r.key for r in masked.asked} & {r.key for r in unmasked.asked}


def test_headlines_are_masked_dated_by_age_and_seen_by_those_who_see_news() -> None:
    line = Headline(ASOF - timedelta(hours=6), "Bitcoin tops $43,000 before the 2024 halving, Binance says")
    agents = ScriptedAgents()
    view = replace(market_view(), close=CLOSE, headlines=(line,))
    Committee(ROLES, agents).ask(view, recall(), GIVEN)
    (shown,) = agents.blocks("aggressive", "view")
    assert shown["headlines"] == [
        {"age_hours": 6.0, "text": "ASSET tops [100% of the price] before the [a date] EVENT, FIRM says"}
    ]
    assert all(request.leak() is None for request in agents.asked)


def recalled(rng: np.random.Generator, asof: pd.Timestamp) -> Recall:
    moment = asof.to_pydatetime()
    cases = tuple(
        Neighbour(f"BTC/USDT@{i}", moment, moment, float(rng.random()), float(rng.normal(0, 0.03)))
        for i in range(int(rng.integers(0, 9)))
    )
    return Recall(moment, cases)


def views_of_real_pairs(folder: Path, count: int, seed: int) -> Iterator[tuple[MarketView, Recall]]:
    """Random candles of every real pair, with usual context and headlines that tell all."""
    rng = np.random.default_rng(seed)
    files = sorted((folder / "candles" / "binance").glob("*-1h.feather"))
    for file in files:
        pair = "/".join(file.name.split("-")[0].split("_")[:2])
        candles = pd.read_feather(file)
        frame = market_features(candles)
        usable = rng.integers(WARM_UP, len(candles), size=-(-count // len(files)))
        for i in usable.tolist():
            close = float(candles["close"].iloc[i])
            asof = pd.Timestamp(candles["date"].iloc[i]) + pd.Timedelta(hours=1)
            features = frame.iloc[i].to_dict() | {
                "turbulence": float(rng.exponential(5.0)),
                "turbulence_percentile": float(rng.random()),
            }
            context = {
                "fear_greed": float(rng.integers(0, 101)),
                "vix": round(float(rng.uniform(10, 60)), 2),
                "dxy": round(float(rng.uniform(88, 115)), 3),
                "funding": float(rng.normal(0, 1e-4)),
            }
            view = make_view(pair, "1h", asof.to_pydatetime(), features, context, np.zeros(STATE_DIM), close)
            coin, day = pair.split("/")[0], f"{asof:%B} {asof.day}, {asof.year}"
            told = (
                f"{pair} trades at {close} on {asof:%Y-%m-%d}",
                f"{coin} at ${close:,.2f}, {day}: Binance halts, SEC sues",
            )
            lines = tuple(Headline(view.asof - timedelta(hours=n), text) for n, text in enumerate(told))
            yield replace(view, headlines=lines), recalled(rng, asof)


def chatty(role: str, step: str, block: dict) -> Said:
    """Repeats whatever numbers it was shown, and guesses the market."""
    numbers = ", ".join(f"{k} {v:.4f}" for k, v in list(block["features"].items())[:4])
    said = usual(role, step, block)
    return said.model_copy(
        update={"belief": f"Looks like Bitcoin in March 2020, {numbers}", "reasons": (numbers,)}
    )


def audited(test_data: Path, count: int, seed: int) -> int:
    vocabulary = Vocabulary(["BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT"])
    agents = ScriptedAgents(chatty)
    full = AgentSettings(debate=DebateSettings(dispersion=0.2))
    committee = Committee(ROLES, agents, settings=full, vocabulary=vocabulary)
    rendered = 0
    before: list[Episode] = []
    for view, cases in views_of_real_pairs(test_data, count, seed):
        deliberation = committee.deliberate(view, cases, GIVEN, before)
        decision = Decision("d", view.pair, view.asof, 0.0, "hold", 0.0, {}, {})
        # The next view reads this one's beliefs, whatever pair and time it was about.
        before = [Episode("s", view, cases, deliberation.views, decision, RiskResult(0.0, "hold"), view.asof)]
        causes = [v.abstained_reason for v in deliberation.views if v.abstains]
        assert not causes, (view.pair, view.asof, causes)
        rendered += 1
        agents.asked.clear()
    return rendered


def test_prompts_about_real_candles_pass_the_audit(test_data: Path) -> None:
    assert audited(test_data, 60, seed=1) >= 60


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.timeout(1500)
def test_ten_thousand_random_views_of_real_pairs_pass_the_audit(test_data: Path) -> None:
    assert audited(test_data, 10_000, seed=2) >= 10_000
