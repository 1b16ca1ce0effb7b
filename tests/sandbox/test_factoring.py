"""The rules that play the model which proposes factors: documented, readable, and the same again."""

from __future__ import annotations

import json
from typing import Any

from agent_market.config import LLMSettings, MiningSettings
from agent_market.factors.mining.llm_proposer import FACTORS, ProposedFactors
from agent_market.factors.mining.parsing import read
from agent_market.factors.mining.records import FactorProposal
from agent_market.factors.parse import parse_factor
from agent_market.factors.tree import Tree
from agent_market.factors.types import FIELDS
from agent_market.llm.answers.schemas import parse
from agent_market.sandbox.model.chat import complete
from agent_market.sandbox.model.factoring import FORMS, WINDOWS, propose

BEST = {"expression": "zscore(volume, 60)", "t": -4.0}


def asked(**more: Any) -> dict[str, Any]:
    return {"step": "factors", "count": 6, "batch": 0, **more}


def expressions(**more: Any) -> list[str]:
    return [factor["expression"] for factor in propose(asked(**more))["factors"]]


def test_every_form_is_a_factor_that_the_default_search_may_try() -> None:
    reach = MiningSettings().longest_lookback
    for form, _ in FORMS:
        for window in WINDOWS:
            text = form.format(w=window)
            tree = read(FactorProposal(text), "llm", (), FIELDS, 60, reach)
            assert isinstance(tree, Tree), text
            assert str(parse_factor(text)) == text, "in canonical form, so that it is known again"


def test_without_scores_the_forms_come_in_order_and_the_next_batch_goes_on() -> None:
    whole = [form.format(w=WINDOWS[0]) for form, _ in FORMS]
    assert expressions() == whole[:6]
    assert expressions(batch=1) == whole[6:12]


def test_the_strongest_is_tried_slower_faster_and_where_volume_is_high() -> None:
    weak = {"expression": "ts_return(close, 7)", "t": 1.0}
    said = expressions(best=[weak, BEST])
    assert said[:2] == ["zscore(volume, 120)", "ts_return(close, 14)"]
    assert said[2] == "mul(zscore(volume, 60), gt(volume, ts_mean(volume, 48)))"
    assert len(said) == 6


def test_what_held_in_the_round_before_is_varied_and_what_turned_is_not() -> None:
    kept = {"expression": "ts_skew(volume, 30)", "rank_ic": 0.05, "later_rank_ic": 0.02}
    turned = {"expression": "ts_kurt(volume, 30)", "rank_ic": 0.05, "later_rank_ic": -0.02}
    said = expressions(earlier=[kept, turned])
    assert said[:2] == ["ts_skew(volume, 60)", "ts_skew(volume, 15)"]
    assert not any("ts_kurt" in text for text in said)


def test_what_is_known_already_is_not_proposed_again() -> None:
    first = expressions()
    failed = [{"expression": text, "problem": "no"} for text in first[:3]]
    assert not set(expressions(tried=first)) & set(first)
    assert not set(expressions(failures=failed, worst=[{"expression": first[3], "t": 0.1}])) & set(first[:4])


def test_malformed_numbers_are_absent_numbers() -> None:
    said = propose({"step": "factors", "count": "many", "batch": None, "best": [3, {"t": 1}], "earlier": {}})
    assert len(said["factors"]) == 1


def test_the_server_answers_in_the_form_that_was_asked_for_and_the_same_again() -> None:
    body = json.dumps(
        {
            "model": LLMSettings().model,
            "messages": [
                {"role": "system", "content": "You write factors."},
                {"role": "user", "content": f"```json\n{json.dumps(asked(best=[BEST]))}\n```\nGive 6."},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": FACTORS.name, "strict": True, "schema": FACTORS.schema},
            },
        }
    ).encode()
    answer = complete(body)
    text = json.loads(answer.body)["choices"][0]["message"]["content"]
    said = parse(FACTORS, text)
    assert isinstance(said, ProposedFactors)
    assert len(said.factors) == 6
    assert complete(body) == answer
