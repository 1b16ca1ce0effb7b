"""The rules at each step of a decision: by hand, in the form that was asked for, always the same."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.agents.prompts.system_prompt import FORMS
from agent_market.llm.answers.schemas import parse
from agent_market.sandbox.model.case import Case, case_of
from agent_market.sandbox.model.chat import complete
from agent_market.sandbox.model.steps import say

RISING = {"trend": 1.5, "return_24": 0.03, "return_12": 0.02, "volatility_24": 0.01, "rsi_14": 0.7}


def case(step: str, role: str = "aggressive", **more: Any) -> Case:
    return case_of({"features": RISING, "regime": "up-calm", "step": step, "role": role, **more})


PROPOSAL = {"agent": "aggressive", "step": "proposal", "depth": 6.0, "confidence": 0.7}
OBJECTIONS = {"agent": "conservative", "step": "objections", "depth": -4.0, "confidence": 0.6}
EVIDENCE = {
    "agent": "quant",
    "step": "evidence",
    "numbers": {"recall_cases": 10, "recall_win_rate": 0.7, "model_cases": 30, "model_win_rate": 0.5},
}


def test_a_view_says_how_long_and_from_where_it_is_wrong() -> None:
    """sigma = 1% * sqrt(24) = 4.9% over the temperament's horizon."""
    said = say(case("view", temperament={"horizon": 24}))
    assert said["horizon"] == 24
    assert said["invalidation"] == round(-0.01 * math.sqrt(24), 4)
    assert say(Case(role="aggressive", features={"trend": 1.0}))["invalidation"] is None


def test_a_proposal_expects_its_share_of_the_usual_move() -> None:
    said = say(case("proposal"))
    assert said["expected_return"] == pytest.approx(said["depth"] / 10 * 0.01 * math.sqrt(12), abs=1e-6)


def test_five_objections_name_the_number_or_its_absence() -> None:
    said = say(case("objections", "conservative", debate=[PROPOSAL]))
    assert len(said["objections"]) == 5
    assert said["objections"][0] == "volatility percentile is unknown: the move may be noise"
    assert "proposed depth is +6.00" in said["objections"][4]


def test_a_rebuttal_gives_way_to_the_other_side_and_to_the_evidence() -> None:
    """Evidence: (10 * 0.7 + 30 * 0.5) / 40 = 0.55, depth 20 * 0.05 = 1. Mean of -4 and 1 is -1.5."""
    said = say(case("rebuttal", debate=[PROPOSAL, OBJECTIONS, EVIDENCE]))
    assert said["depth"] == pytest.approx(6.0 + 0.3 * (-1.5 - 6.0))
    other = say(case("rebuttal", "conservative", debate=[PROPOSAL, OBJECTIONS, EVIDENCE]))
    assert other["depth"] == pytest.approx(-4.0 + 0.3 * ((6.0 + 1.0) / 2 + 4.0))


@pytest.mark.parametrize(
    ("final", "quant", "ruling"), [(3.0, 3.0, "execute"), (9.0, 2.0, "adjust"), (3.0, -4.0, "abandon")]
)
def test_the_ruling_follows_from_the_final_depths(final: float, quant: float, ruling: str) -> None:
    debate = [PROPOSAL, {"agent": "aggressive", "step": "rebuttal", "depth": final, "confidence": 0.5}]
    views = [
        {"agent": "aggressive", "depth": 9.0, "confidence": 0.9},
        {"agent": "quant", "depth": quant, "confidence": 0.5},
    ]
    said = say(case("ruling", "judge", debate=debate, views=views))
    assert said["ruling"] == ruling
    assert 0 <= said["confidence"] <= 100
    assert isinstance(said["confidence"], int)


def test_temperament_moves_agents_that_have_no_rules_of_their_own() -> None:
    calm = say(case("view", "macro"))["depth"]
    bold = say(case("view", "macro", temperament={"risk_appetite": 1.0}))["depth"]
    gloomy = say(case("view", "macro", temperament={"optimism": -1.0, "rationality": 0.0}))["depth"]
    afraid = say(case("view", "macro", temperament={"loss_aversion": 5.0}))["depth"]
    assert gloomy < calm < bold
    assert 0 < afraid < calm
    neutral = {"optimism": 0.0, "rationality": 0.8, "risk_appetite": 0.5, "loss_aversion": 1.0}
    assert say(case("view", "macro", temperament=neutral))["depth"] == calm
    assert say(case("view", temperament={"risk_appetite": 1.0})) == say(case("view")), (
        "aggressive has its own"
    )


NUMBERS = st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.booleans()
TURNS = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["aggressive", "conservative", "quant", "x"]),
        "step": st.sampled_from([*FORMS]),
    },
    optional={
        "depth": NUMBERS,
        "confidence": NUMBERS,
        "numbers": st.dictionaries(
            st.sampled_from(["recall_cases", "recall_win_rate", "model_cases", "model_win_rate"]), NUMBERS
        ),
    },
)


@settings(max_examples=300, deadline=None)
@given(
    step=st.sampled_from(sorted(FORMS)),
    role=st.sampled_from(["aggressive", "conservative", "judge", "macro"]),
    features=st.dictionaries(st.sampled_from([*RISING, "volatility_percentile", "drawdown"]), NUMBERS),
    temperament=st.dictionaries(
        st.sampled_from(["optimism", "rationality", "horizon", "loss_aversion"]), NUMBERS
    ),
    debate=st.lists(TURNS | NUMBERS, max_size=5),
)
def test_every_step_is_answered_in_its_own_form_whatever_the_block_holds(
    step: str, role: str, features: dict, temperament: dict, debate: list
) -> None:
    form = FORMS[step]  # type: ignore[index]
    block = {"step": step, "role": role, "features": features, "temperament": temperament, "debate": debate}
    body = json.dumps(
        {
            "model": "heuristic",
            "messages": [{"role": "user", "content": f"```json\n{json.dumps(block)}\n```"}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": form.name, "schema": form.schema},
            },
        }
    ).encode()
    try:
        json.loads(body)
        completion = complete(body)
    except ValueError:
        return
    assert complete(body) == completion
    message = json.loads(completion.body)["choices"][0]["message"]
    if message["content"] is not None:
        parse(form, message["content"])
