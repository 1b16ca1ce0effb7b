"""Whatever the mask returns the audit accepts, and a planted identifier survives in no spelling."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.agents.committee import Committee
from agent_market.agents.roles import ROLES
from agent_market.llm.egress.audit import Audit
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.llm.egress.masking import Disguises, Mask
from agent_market.llm.egress.spelling import plain_spelling
from tests.helpers.agent_makers import GIVEN, market_view, recall
from tests.helpers.scripted_agents import ScriptedAgents, block_of

CLOSE = 63_000.0
MARKETS = ["PYTH/USDT", "A/USDT", "ONE/USDT", "BTC/USDT", "10000SATS/USDT"]
VOCABULARY = Vocabulary(["BTC/USDT", "SOL/USDT"], ["Foo Labs"], MARKETS)


def mask(close: float | None = CLOSE) -> Mask:
    return Disguises(VOCABULARY).of(replace(market_view(), close=close, pair="BTC/USDT"))


def leak(text: str) -> str | None:
    return Audit(VOCABULARY, CLOSE).leak("", text)


PLANTED = (
    *("bit\u200bcoin", "b\u200ci\u200dt\u2060coin", "BT\u00adC", "B\ufeffTC", "BT\u0301C", "b\u00eftcoin"),
    *(
        "\u0412\u0422\u0421",
        "b\u0456tc\u043ein",
        "Et\u04bbereum",
        "s\u03bflana",
        "\u1d2e\u1d40C",
        "b\u0131tcoin",
    ),
    *(
        "\uff22\uff34\uff23",
        "\uff42\uff49\uff54\uff43\uff4f\uff49\uff4e",
        "\U0001d41b\U0001d422\U0001d42dcoin",
        "\u24b7\u24c9\u24b8",
    ),
    *("bit-coin", "bit coin", "b.i.t.c.o.i.n", "b i t c o i n", "Ether-eum", "so_lana", "BITCOIN"),
    *(
        "BitcoinETF",
        "BTCETF",
        "bitcoiners",
        "btcusdt",
        "SOLUSDT",
        "sol/usdt",
        "solana's",
        "GBTC",
        "IBIT",
        "ibit",
    ),
    *("\u20bf", "5\u20bf", "PYTH", "A/USDT", "ONE/USDT", "AUSDT", "funding on Binance\u200b.com"),
    *("20240305", "Mar-5-2024", "5-Mar-2024", "MAR24", "27MAR24", "05-03-2024", "2024\u2010\u200b03\u201005"),
    *(
        "6.3e4",
        "6.3E+4",
        "63k",
        "5USD",
        "0USDT",
        "0.55USD",
        "\uff16\uff13\uff10\uff10\uff10 USDT",
        "0.12k EUR",
    ),
)


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("around", ["{}", "it says {} today", "({}), or so", "x\u00e9 {} \u2026"])
def test_no_spelling_of_an_identifier_survives(planted: str, around: str) -> None:
    text = around.format(planted)
    masked = mask().text(text)
    assert planted not in masked
    assert leak(text) is not None, "the audit alone refuses it"
    assert leak(masked) is None
    assert mask().text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Die Gr\u00f6\u00dfe \u00fcber 5 \u00b0C \u2026 \u201eok\u201c \u2013 na\u00efve",
        "\u5e02\u573a\uff0c\u4e0a\u6da8 3%",
        "\u0440\u043e\u0441\u0442 \u0440\u044b\u043d\u043a\u0430 \u0432 \u0441\u0440\u0435\u0434\u0443",
        "a black rock, a chain link, One second; A view; 3 of 8 may agree, march on 2 fronts",
        "return_24 at 1e-5 and 0.0123, rsi_14 63.2, ALL in ONE, 2h of 168h",
        "teeth near the top, a solid link; the tone of the second view",
    ],
)
def test_ordinary_text_keeps_its_bytes_in_any_language(text: str) -> None:
    assert mask().text(text) == text
    assert leak(text) is None


LETTERS = st.sampled_from(
    [
        *"bitconeherumslaBTCETHSOL0123456789.-_/ ,eEkM",
        "\u200b",
        "\u0430",
        "\u0441",
        "\uff22",
        "\u20bf",
        "\u0301",
    ]
)
PIECES = st.sampled_from(
    [*PLANTED, "5", "usd", "USDT", "A", "ONE", "/", "-", " ", "Mar", "2024", "k", "e4", "sol", "bit", "coin"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(LETTERS, max_size=24).map("".join),
        st.lists(PIECES, max_size=6).map("".join),
    )
)
def test_the_audit_accepts_whatever_the_mask_returns(text: str) -> None:
    masked = mask().text(text)
    assert leak(masked) is None
    assert mask(None).text(masked) == masked or leak(mask(None).text(masked)) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(PIECES, min_size=1, max_size=3).map("_".join), min_size=1, max_size=4, unique=True))
def test_the_audit_accepts_the_names_of_series_as_the_mask_returns_them(names: list[str]) -> None:
    shown = mask().names(tuple(names))
    assert len(set(shown)) == len(names)
    for name in shown:
        assert next(Audit(VOCABULARY, CLOSE)._in_text(name, None, is_series=True), None) is None


@given(st.text(max_size=80))
def test_the_plain_spelling_of_a_plain_spelling_is_itself(text: str) -> None:
    assert plain_spelling(plain_spelling(text)) == plain_spelling(text)


def test_a_series_named_after_a_traded_coin_is_hidden_as_one_of_another_coin_is() -> None:
    names = ("funding_sol", "funding_btc", "funding_eth", "near_high", "vix", "cpi_2024-03")
    agents = ScriptedAgents()
    view = replace(market_view(), pair="SOL/USDT", context={name: float(n) for n, name in enumerate(names)})
    committee = Committee(ROLES, agents, vocabulary=VOCABULARY)
    deliberation = committee.deliberate(view, recall(), GIVEN)
    assert [v.abstained_reason for v in deliberation.views if v.abstains] == []
    shown = next(block["context"] for r in agents.asked if "context" in (block := block_of(r)))
    hidden = {"funding_ASSET", "funding_COIN-1", "funding_COIN-2", "cpi_DATE"}
    assert set(shown) == {*hidden, "near_high", "vix"}
