"""The rules against answers worked out by hand, and what holds for any prompt."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent_market.agents.prompts.user_prompt import Brief, Shown
from agent_market.agents.roles import ROLES
from agent_market.llm.answers.schemas import ANSWER_SCHEMA, parse_answer
from agent_market.records import AgentView, MarketView, Neighbour, Recall
from agent_market.sandbox.model.case import Case, Recalled, Voice, case_of, read_case
from agent_market.sandbox.model.chat import complete
from agent_market.sandbox.model.feedback import caution
from agent_market.sandbox.model.fitting import fields
from agent_market.sandbox.model.rules import AGENTS, BALANCED, TEMPERAMENTS, answer, judge
from agent_market.sandbox.model.signals import SIGNALS

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "sandbox-model.md"

# volatility_24 0.01: z_12 = 0.02 / (0.01 sqrt 12) = 0.57735, z_24 = 0.61237, z_72 = 0.70711.
RISING = {
    "trend": 1.5,
    "return_12": 0.02,
    "return_24": 0.03,
    "return_72": 0.06,
    "volatility_24": 0.01,
    "macd_hist": 0.5,
    "volume_z": 1.0,
    "rsi_14": 0.7,
    "volatility_percentile": 0.5,
    "drawdown": 0.05,
}
RECALL = Recalled(n=16, mean=0.005, std=0.02)  # t = 0.005 / (0.02 / 4) = 1


def case(role: str, **changes: Any) -> Case:
    given: dict[str, Any] = {"features": RISING, "context": {"fear_greed": 75.0}, "regime": "up-calm"}
    return Case(role=role, **{**given, "recall": RECALL, **changes})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trend", 0.76159),  # tanh(1)
        ("momentum_24", 0.54580),  # tanh(0.61237)
        ("momentum_72", 0.60886),  # tanh(0.70711)
        ("macd", 0.46212),  # tanh(0.5)
        ("breakout", 0.26035),  # tanh(0.57735) / 2 = 0.52070 / 2
        ("stretch", -0.36696),  # -tanh(0.57735 / 1.5) = -tanh(0.38490)
        ("rsi_reversal", -0.8),  # (0.5 - 0.7) / 0.25
        ("crowd", -0.5),  # (50 - 75) / 50
        ("recall", 0.46212),  # tanh(1 / 2)
    ],
)
def test_signals_by_hand(name: str, value: float) -> None:
    assert SIGNALS[name](case("quant")) == pytest.approx(value, abs=2e-5)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_without_its_inputs_is_unknown_and_not_zero(name: str) -> None:
    assert SIGNALS[name](Case()) is None


def test_a_move_in_a_market_that_does_not_move_is_unknown() -> None:
    assert SIGNALS["stretch"](case("quant", features={"return_12": 0.0, "volatility_24": 0.0})) is None


@pytest.mark.parametrize("recall", [Recalled(1, 0.01, 0.0), Recalled(5, 0.01, 0.0), Recalled(1, 0.01, 0.1)])
def test_recall_without_spread_or_with_one_case_says_nothing(recall: Recalled) -> None:
    assert SIGNALS["recall"](case("quant", recall=recall)) is None


def test_the_aggressive_rule_follows() -> None:
    # push = 3*.76159 + 2*.54580 + 2*.60886 + .46212 + 2*.26035 + .46212 = 6.03903 of weight 11: score 0.54900
    opinion = answer(case("aggressive"))
    assert opinion.depth == pytest.approx(10 * math.tanh(2 * 0.54900), abs=2e-3)
    assert opinion.confidence == pytest.approx(0.8)  # all known, all agree
    assert answer(case("aggressive", regime="chop-calm")).depth == pytest.approx(0.6 * opinion.depth)


def test_the_conservative_rule_fades_and_fears() -> None:
    # push = .76159 - 2*.36696 - 2*.8 - .5 + .46212 = -1.61021; force = .76159+.73392+1.6+.5+.46212 = 4.05763
    # score = -1.61021 / 7 = -0.23003; calm = 1 - .6*.5 = 0.7
    opinion = answer(case("conservative"))
    assert opinion.depth == pytest.approx(-10 * math.tanh(1.2 * 0.23003) * 0.7, abs=2e-3)
    assert opinion.confidence == pytest.approx(0.2 + 0.6 * 1.61021 / 4.05763, abs=1e-4)


def test_the_conservative_rule_halves_longs_in_a_deep_drawdown_and_fears_what_it_cannot_see() -> None:
    fallen = {"rsi_14": 0.2, "volatility_percentile": 0.0, "drawdown": 0.0}
    calm = answer(case("conservative", features=fallen)).depth
    assert calm > 0
    deep = answer(case("conservative", features={**fallen, "drawdown": 0.25})).depth
    assert deep == pytest.approx(calm / 2)
    blind = answer(case("conservative", features={"rsi_14": 0.2})).depth
    assert blind == pytest.approx(calm / 2 * 0.4)


@pytest.mark.parametrize(
    ("regime", "follow"), [("up-calm", 0.75), ("down-calm", 0.75), ("chop-calm", 0.25), ("unknown", 0.5)]
)
@pytest.mark.parametrize("role", ["quant", "macro", ""])
def test_any_other_role_is_balanced_by_regime(role: str, regime: str, follow: float) -> None:
    trending = 2 * 0.76159 + 0.54580 + 0.60886 + 0.46212
    fading = -2.5 * 0.36696 - 2.5 * 0.8
    score = (follow * trending + (1 - follow) * fading + 0.46212) / 6
    opinion = answer(case(role, regime=regime))
    assert opinion.depth == pytest.approx(10 * math.tanh(1.5 * score), abs=2e-3)


def test_the_balanced_rule_holds_back_when_wild() -> None:
    calm, wild = (answer(case("quant", regime=f"up-{mood}")).depth for mood in ("calm", "wild"))
    assert wild == pytest.approx(0.7 * calm)


def test_fewer_numbers_mean_less_confidence() -> None:
    # Only the trend of weight 3 in 11.
    opinion = answer(Case(role="aggressive", features={"trend": 1.5}))
    assert opinion.confidence == pytest.approx(0.8 * 3 / 11)
    nothing = answer(Case(role="aggressive"))
    assert (nothing.depth, nothing.confidence, nothing.reasons) == (0, 0, ())


def test_the_judge_weighs_by_confidence_and_shrinks_by_dispersion() -> None:
    voices = (Voice("aggressive", 8, 0.6), Voice("conservative", -2, 0.2))
    # mean = (4.8 - 0.4) / 0.8 = 5.5; variance = (.6*6.25 + .2*56.25) / .8 = 18.75; dispersion 0.43301
    opinion = answer(Case(role="judge", voices=voices))
    assert opinion.depth == pytest.approx(5.5 * (1 - 0.43301), abs=1e-4)
    assert opinion.confidence == pytest.approx(0.4 * (1 - 0.43301), abs=1e-4)


def test_for_the_judge_an_agent_without_a_view_lowers_confidence_and_not_depth() -> None:
    voices = (Voice("aggressive", 4, 0.5), Voice("quant", 4, 0.5))
    all_spoke, one_silent = (judge(Case(role="judge", voices=voices, silent=n)) for n in (0, 1))
    assert one_silent.depth == all_spoke.depth == 4
    assert one_silent.confidence == pytest.approx(all_spoke.confidence * 2 / 3)


def test_the_judge_counts_recall_once() -> None:
    quant = Voice("quant", 0, 0.46212)
    heard = judge(Case(role="judge", voices=(quant,), recall=RECALL))
    # recall: depth 4.6212, confidence 0.46212: mean 2.3106, dispersion 0.23106
    assert heard.depth == pytest.approx(2.3106 * (1 - 0.23106), abs=1e-3)
    memory = Voice("memory", 2, 0.5)
    assert judge(Case(role="judge", voices=(memory,), recall=RECALL)).depth == 2


def test_the_judge_without_views_has_no_opinion() -> None:
    opinion = answer(Case(role="judge", features=RISING))
    assert (opinion.depth, opinion.confidence) == (0, 0)


@pytest.mark.parametrize(
    ("lines", "factor"),
    [
        ((), 1.0),
        (("Aggressive lost 3.1% in round 1",), 0.75),
        (("the committee had a losing round",), 0.9),
        (("aggressive made money", "hit rate 61%"), 1.0),
        (("conservative lost 2%",), 1.0),
        (("2 stop-loss exits",), 1.0),
        (("aggressive: loss 1%", "aggressive: negative reward", "drawdown 12%"), 0.75 * 0.75 * 0.9),
        (("aggressive lost",) * 9, 0.4),
        # As agent_market.reports.feedback words them.
        (("Agent aggressive lost: mean reward −0.034 over 12 opinions.",), 0.75),
        (("Agent judge lost: mean reward −0.034 over 12 opinions.",), 1.0),
        (("The committee lost 3.2% after costs; its deepest fall from a high was 5.0%.",), 0.9),
        (("Over the same time: Buy and hold −4.0%; Equal weights +1.0%.",), 1.0),
    ],
)
def test_losses_make_careful_and_nothing_makes_bold(lines: tuple[str, ...], factor: float) -> None:
    assert caution("aggressive", lines, AGENTS) == pytest.approx(factor)


def test_a_line_about_an_added_agent_is_not_about_others() -> None:
    assert caution("macro", ["macro lost 2%"], AGENTS) == 0.75
    rival = Case(role="judge", voices=(Voice("macro", 4, 0.5),), feedback=("macro lost 2%",))
    assert answer(rival).depth == 4


def test_caution_lowers_depth_and_its_root_confidence() -> None:
    calm, hurt = (answer(case("aggressive", feedback=lines)) for lines in ((), ("aggressive lost 2%",)))
    assert hurt.depth == pytest.approx(0.75 * calm.depth)
    assert hurt.confidence == pytest.approx(math.sqrt(0.75) * calm.confidence)
    assert hurt.reasons[-1] == "caution after feedback of losses x 0.75"


def test_the_last_block_of_the_newest_message_counts() -> None:
    def block(role: str) -> str:
        return f'```json\n{{"role": "{role}", "features": {{}}}}\n```'

    found = read_case([block("judge"), f"{block('aggressive')} and {block('Quant')}"])
    assert found is not None
    assert found.role == "quant"
    assert read_case([block("judge"), "thanks"]) == case_of({"role": "judge", "features": {}})
    bare = read_case(['{"role": "quant", "features": {"trend": 1}}'])
    assert bare is not None
    assert bare.features == {"trend": 1.0}


@pytest.mark.parametrize("text", ["", "no block", "```json\n{broken\n```", "```json\n[1]\n```", '{"a": 1}'])
def test_without_a_block_there_is_no_case(text: str) -> None:
    assert read_case([text]) is None


def test_what_is_malformed_inside_the_block_is_absent() -> None:
    found = case_of(
        {
            "role": 7,
            "features": {"trend": "2", "rsi_14": True, "macd_hist": None, "volume_z": 1},
            "context": [],
            "recall": {"n": 3},
            "views": [{"agent": "a", "depth": 99, "confidence": 3}, {"agent": "b"}, "c"],
            "abstained": ["d"],
            "feedback": ["one", {"lines": ["two"]}, 3],
        }
    )
    assert found == Case(
        features={"volume_z": 1.0},
        voices=(Voice("a", 10.0, 1.0),),
        silent=3,
        feedback=("one", "two"),
    )


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.none(), st.text()
)
NAMES = st.sampled_from([*RISING, "turbulence", "x"])
BLOCKS = st.fixed_dictionaries(
    {"features": st.dictionaries(NAMES, NUMBERS)},
    optional={
        "role": st.sampled_from(["aggressive", "conservative", "quant", "judge", "macro", ""]),
        "context": st.dictionaries(st.sampled_from(["fear_greed", "vix"]), NUMBERS),
        "regime": st.sampled_from(["up-calm", "down-wild", "chop-wild", "unknown", "?"]),
        "recall": st.dictionaries(st.sampled_from(["n", "mean_return", "std_return"]), NUMBERS),
        "views": st.lists(
            st.fixed_dictionaries({"agent": st.text(), "depth": NUMBERS, "confidence": NUMBERS}), max_size=5
        ),
        "feedback": st.lists(st.sampled_from(["aggressive lost", "a loss", "gain", "judge: drawdown"])),
    },
)


def request_of(block: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "model": "heuristic",
            "messages": [{"role": "user", "content": f"```json\n{json.dumps(block)}\n```"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "v", "schema": ANSWER_SCHEMA}},
        }
    ).encode()


@settings(max_examples=300, deadline=None)
@given(block=BLOCKS)
def test_any_block_gives_one_valid_answer_and_always_the_same(block: dict[str, Any]) -> None:
    body = request_of(block)
    completion = complete(body)
    assert complete(body) == completion
    message = json.loads(completion.body)["choices"][0]["message"]
    Draft202012Validator(ANSWER_SCHEMA).validate(json.loads(message["content"]))
    view = parse_answer(message["content"])
    assert -10 <= view.depth <= 10
    assert 0 <= view.confidence <= 1


@settings(max_examples=200, deadline=None)
@given(block=BLOCKS)
def test_answers_are_in_range_by_themselves_and_not_by_clamping(block: dict[str, Any]) -> None:
    raw = fields(answer(case_of(block)))
    assert -10 <= raw["depth"] <= 10
    assert 0 <= raw["confidence"] <= 1


@settings(max_examples=100, deadline=None)
@given(trend=st.floats(-3, 3), move=st.floats(-0.2, 0.2), macd=st.floats(-2, 2))
def test_a_market_turned_upside_down_turns_the_follower_round(trend: float, move: float, macd: float) -> None:
    up = {"trend": trend, "return_24": move, "volatility_24": 0.01, "macd_hist": macd}
    down = {**{name: -value for name, value in up.items()}, "volatility_24": 0.01}
    one, other = (answer(Case(role="aggressive", features=f)) for f in (up, down))
    assert one.depth == pytest.approx(-other.depth)
    assert one.confidence == pytest.approx(other.confidence)


def test_the_documented_weights_are_those_in_force() -> None:
    """The table in docs/reference/sandbox-model.md, row by row, with f = 0.75 of a trending regime."""
    columns = (TEMPERAMENTS["aggressive"], TEMPERAMENTS["conservative"], BALANCED)
    values = {"": 0.0, "2 · f": 1.5, "f": 0.75, "2.5 · (1 - f)": 0.625}
    section = DOCS.read_text(encoding="utf-8").split("## Weights by role")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|(.*)\|(.*)\|$", section, re.MULTILINE)
    assert {name for name, *_ in rows} == set(SIGNALS)
    for name, *cells in rows:
        for temperament, cell in zip(columns, map(str.strip, cells), strict=True):
            documented = values[cell] if cell in values else float(cell)
            assert temperament.weights("up-calm").get(name, 0.0) == pytest.approx(documented), (name, cell)
    gains = re.search(r"^\| gain \|(.*)\|(.*)\|(.*)\|$", section, re.MULTILINE)
    assert gains is not None
    assert [temperament.gain for temperament in columns] == [float(cell) for cell in gains.groups()]


def test_a_prompt_of_the_committee_is_read_whole() -> None:
    """The two ends of the block: `agents.prompts.system_prompt` writes it, `case` reads it."""
    asof = datetime(2024, 1, 1, tzinfo=UTC)
    view = MarketView("BTC/USDT", "1h", asof, RISING, {"fear_greed": 75.0}, "up-calm", ())
    cases = tuple(Neighbour(str(i), asof, asof, 0.1, change) for i, change in enumerate((0.01, 0.03)))
    brief = Brief(view, Recall(asof, cases), feedback=("judge lost ```2%```",))
    views = (
        AgentView("quant", 3.0, 0.5, reasons=("``` ends",)),
        AgentView.abstain("memory", "few cases"),
    )
    found = read_case([brief.user_message(ROLES[-1], Shown(views=views))])
    # mean 0.02, sample deviation sqrt(2 * 0.01^2 / 1) = 0.01414, to four figures
    assert found == Case(
        role="judge",
        features=RISING,
        context={"fear_greed": 75.0},
        regime="up-calm",
        recall=Recalled(2, 0.02, 0.01414),
        voices=(Voice("quant", 3.0, 0.5),),
        silent=1,
        feedback=("judge lost '''2%'''",),
        temperament=asdict(ROLES[-1].temperament),
    )
