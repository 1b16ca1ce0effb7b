"""Which prompt is in force when: promoted from a moment on, for one model, over one text, and not before."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.agents.roles import ROLES, Role
from agent_market.agents.tuning.versions import PromptBook, prompt_version, texts_of, version_of, with_texts
from agent_market.config import LLMSettings
from agent_market.store.prompts import Promotion, StoredPrompt

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
MODEL = "m"
LLM = LLMSettings(model=MODEL)
AGGRESSIVE = next(role for role in ROLES if role.name == "aggressive")


def a_promotion(
    number: int,
    texts: dict[str, str],
    replaced: str,
    known_at: datetime,
    model: str = MODEL,
    back: bool = False,
) -> Promotion:
    prompt = StoredPrompt(prompt_version("aggressive", texts), "aggressive", texts, replaced)
    return Promotion(number, prompt, replaced, known_at, {"model": model}, known_at if back else None)


def told(book: PromptBook, asof: datetime, name: str = "aggressive") -> Role:
    return next(role for role in book.at(asof) if role.name == name)


FIRST = {"belief": "Follow volume.", "decision": "Be bold."}
SECOND = {"belief": "Follow nothing.", "decision": "Be bold."}
OWN = version_of(AGGRESSIVE) or ""


def test_a_version_depends_on_role_and_texts_and_on_nothing_else() -> None:
    assert prompt_version("a", FIRST) == prompt_version("a", dict(reversed(FIRST.items())))
    assert len({prompt_version("a", FIRST), prompt_version("b", FIRST), prompt_version("a", SECOND)}) == 3
    assert version_of(with_texts(AGGRESSIVE, texts_of(AGGRESSIVE))) == OWN
    assert version_of(next(role for role in ROLES if role.source != "llm")) is None


def test_without_promotions_the_role_table_holds() -> None:
    book = PromptBook.of(ROLES, (), LLM)
    assert book.at(NOON) == ROLES
    assert book.digest() == ""


def test_a_promotion_holds_from_the_moment_its_proof_was_known() -> None:
    book = PromptBook.of(ROLES, [a_promotion(1, FIRST, OWN, NOON)], LLM)
    assert told(book, NOON - timedelta(seconds=1)) == AGGRESSIVE
    assert texts_of(told(book, NOON)) == FIRST
    assert told(book, NOON, "judge") == next(role for role in ROLES if role.name == "judge")
    assert book.digest() != ""


def test_promotions_build_on_each_other_and_a_rollback_takes_the_one_before_into_force() -> None:
    first = a_promotion(1, FIRST, OWN, NOON)
    later = NOON + timedelta(days=9)
    second = a_promotion(2, SECOND, first.prompt.version, later)
    book = PromptBook.of(ROLES, [first, second], LLM)
    assert texts_of(told(book, later - timedelta(hours=1))) == FIRST
    assert texts_of(told(book, later)) == SECOND
    undone = PromptBook.of(
        ROLES, [first, a_promotion(2, SECOND, first.prompt.version, later, back=True)], LLM
    )
    assert texts_of(told(undone, later)) == FIRST


@pytest.mark.parametrize(
    ("promotion", "why"),
    [
        (a_promotion(1, FIRST, "0" * 16, NOON), "is in force"),
        (a_promotion(1, FIRST, OWN, NOON, model="another"), "another"),
    ],
)
def test_what_was_proven_against_another_text_or_model_is_not_used_and_said(
    promotion: Promotion, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        book = PromptBook.of(ROLES, [promotion], LLM)
    assert book.at(NOON + timedelta(days=99)) == ROLES
    assert why in caplog.text


def test_a_promotion_of_an_agent_that_is_gone_changes_nothing() -> None:
    others = [role for role in ROLES if role.name != "aggressive"]
    assert PromptBook.of(others, [a_promotion(1, FIRST, OWN, NOON)], LLM).at(NOON) == tuple(others)


@given(st.integers(-1_000, 1_000), st.lists(st.integers(0, 900), max_size=4, unique=True))
def test_promotions_known_later_change_no_earlier_decision(asof: int, known: list[int]) -> None:
    chain, before = [], OWN
    for number, hours in enumerate(sorted(known)):
        texts = {"belief": f"Look {number}.", "decision": "Decide."}
        chain.append(a_promotion(number, texts, before, NOON + timedelta(hours=hours)))
        before = chain[-1].prompt.version
    now = NOON + timedelta(hours=asof)
    by_then = [promotion for promotion in chain if promotion.known_at <= now]
    assert PromptBook.of(ROLES, chain, LLM).at(now) == PromptBook.of(ROLES, by_then, LLM).at(now)
