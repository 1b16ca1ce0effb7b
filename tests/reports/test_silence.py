"""A run whose models did not answer says so in the report's warnings, which terminal and page show."""

from __future__ import annotations

from datetime import timedelta

from agent_market.reports.silence import silence_of_models
from tests.helpers.backtest_results import START
from tests.helpers.sample_episodes import AGENTS, make_episode

WRONG_KEY = "ModelUnavailable: m at https://api.example.com/v1: HTTP 401: Incorrect API key provided"
CALM = (4.0, 1.0, 3.0, None, 2.0)


def decisions(*depths: tuple[float | None, ...], cause: str) -> list:
    return [make_episode(START + timedelta(hours=n), depths=row, cause=cause) for n, row in enumerate(depths)]


def test_a_wrong_key_is_said_with_its_cause_and_what_to_do() -> None:
    (line,) = silence_of_models(decisions(*[(None, None, 3.0, 1.0, None)] * 5, cause=WRONG_KEY))
    assert line.startswith("No model answered: aggressive, conservative and judge abstained from every")
    assert (
        "(15 times): ModelUnavailable: m at https://api.example.com/v1: HTTP 401: Incorrect API key" in line
    )
    assert "agent-market doctor" in line


def test_an_agent_that_often_gets_no_answer_is_named_with_its_share() -> None:
    rows = [(None, 1.0, 3.0, 1.0, 2.0)] * 3 + [(4.0, 1.0, 3.0, 1.0, 2.0)] * 7
    cause = "AnswerInvalid: the endpoint cut the prompt\x1b[31m"
    (line,) = silence_of_models(decisions(*rows, cause=cause))
    assert line.startswith("aggressive abstained from 3 of 10 decisions")
    assert line.isprintable()


def test_a_rare_failure_and_other_abstentions_are_no_news() -> None:
    assert silence_of_models([]) == ()
    assert silence_of_models(decisions(*[CALM] * 5, cause="fewer than 4 similar cases")) == ()
    assert silence_of_models(decisions(*[(None,) * 5] * 5, cause="BudgetExhausted: the day's cap")) == ()
    rows = [(None, 1.0, 3.0, 1.0, 2.0)] + [(4.0, 1.0, 3.0, 1.0, 2.0)] * 10
    assert silence_of_models(decisions(*rows, cause=WRONG_KEY)) == ()
    assert len(AGENTS) == 5
