from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.agents.committee import Committee, open_committee
from agent_market.agents.prompts.feedback import FeedbackBook, FeedbackEntry
from agent_market.agents.roles import ROLES as ALL_ROLES
from agent_market.agents.roles import role_table
from agent_market.config import AgentMarketSettings, AgentSettings, LLMSettings, RoleOverride
from agent_market.errors import AnswerInvalid, ModelUnavailable, ReplayMiss
from agent_market.llm.answers.answer_writer import Recorder
from agent_market.llm.answers.sources import AskedAnswers, open_answers
from agent_market.llm.endpoints.client import Completion, RequestTotals
from agent_market.llm.endpoints.failures import FailureLog
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.store.answers import AnswerStore
from agent_market.store.database import Database
from tests.helpers.agent_makers import ASOF, GIVEN, llm, market_view, recall
from tests.helpers.chat_server import Asked, Said, answer, chat_server, completion, refusal

ROLES = tuple(role for role in ALL_ROLES if role.source != "rule")  # as GIVEN has views for
DEPTHS = {"aggressive": 6.0, "conservative": -2.0, "judge": 1.5}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def by_role(asked: Asked) -> Said:
    return completion(answer(depth=DEPTHS.get(asked.role, 0.5), reasons=(f"I am {asked.role}",)))


def seat(database: Database, url: str, mode: str = "record", roles=ROLES, **book) -> Committee:
    return Committee(roles, open_answers(llm(url, mode=mode, retries=0), database), **book)


def test_views_come_back_in_table_order_with_the_given_ones_untouched(database: Database) -> None:
    with chat_server(by_role) as server:
        committee = seat(database, server.url)
        views = committee.ask(market_view(), recall(), GIVEN)
        committee.close()
    assert [view.agent for view in views] == ["aggressive", "conservative", "quant", "memory", "judge"]
    assert [view.depth for view in views] == [6.0, -2.0, 3.0, -1.0, 1.5]
    assert views[2] is GIVEN["quant"]
    assert not any(view.abstains for view in views)
    stored = AnswerStore(database).get(views[0].answer_key or "")
    assert stored is not None
    assert stored.role == "aggressive"


def test_the_first_stage_is_asked_together_and_the_judge_after_it_with_the_views(database: Database) -> None:
    def slowly(asked: Asked) -> Said:
        said = by_role(asked)
        said.delay_s = 0.2
        return said

    with chat_server(slowly) as server:
        committee = seat(database, server.url)
        committee.ask(market_view(), recall(), GIVEN)
        committee.close()
    first, second, judge = server.requests
    assert {first.role, second.role} == {"aggressive", "conservative"}
    assert max(first.came, second.came) < min(first.left, second.left), "both were under way at the same time"
    assert judge.role == "judge"
    assert judge.came >= max(first.left, second.left)
    shown = judge.body["messages"][1]["content"]
    for said in ("I am aggressive", "I am conservative", "predicted return 0.004", "5 of 8 fell"):
        assert said in shown
        assert said not in first.body["messages"][1]["content"]


def test_each_failure_is_an_abstention_with_its_cause_and_the_others_go_on(database: Database) -> None:
    def script(asked: Asked) -> Said:
        if asked.role == "aggressive":
            return refusal(500, "out of order")
        return completion("Hold, I guess.") if asked.role == "conservative" else by_role(asked)

    with chat_server(script) as server:
        committee = seat(database, server.url)
        aggressive, conservative, quant, memory, judge = committee.ask(
            market_view(), recall(), {"quant": GIVEN["quant"]}
        )
        committee.close()
    assert "ModelUnavailable" in str(aggressive.abstained_reason)
    assert "HTTP 500: out of order" in str(aggressive.abstained_reason)
    assert "AnswerInvalid: no JSON object" in str(conservative.abstained_reason)
    assert memory.abstained_reason == "no view came from the memory"
    assert (aggressive.depth, aggressive.confidence, aggressive.answer_key) == (0.0, 0.0, None)
    assert not quant.abstains
    assert judge.depth == 1.5
    assert (
        '"abstained":["aggressive","conservative","memory"]'
        in server.requests[-1].body["messages"][1]["content"]
    )


def test_a_second_run_makes_no_call_and_gives_the_same_views(database: Database) -> None:
    with chat_server(by_role) as server:
        committee = seat(database, server.url)
        first = committee.ask(market_view(), recall(), GIVEN)
        committee.close()
    replaying = seat(database, "http://127.0.0.1:9/v1", mode="replay")
    assert replaying.ask(market_view(), recall(), GIVEN) == first
    assert replaying.answers.usage == RequestTotals()


def test_a_missing_recording_fails_the_decision_not_the_agent(database: Database) -> None:
    committee = seat(database, "http://127.0.0.1:9/v1", mode="replay")
    with pytest.raises(ReplayMiss):
        committee.ask(market_view(), recall(), GIVEN)


def test_changing_one_temperament_asks_that_agent_again_and_only_it(database: Database) -> None:
    """The judge reads the others' answers, so it is asked again only if the new answer differs."""
    changed = role_table(
        AgentSettings(roles=(RoleOverride(name="conservative", temperament="You are even more careful."),))
    )
    with chat_server(by_role) as server:
        for roles in (ROLES, changed):
            committee = seat(database, server.url, roles=roles)
            committee.ask(market_view(), recall(), GIVEN)
            committee.close()
    assert [asked.role for asked in server.requests[3:]] == ["conservative"]


def test_feedback_reaches_only_decisions_after_it_is_known(database: Database) -> None:
    book = FeedbackBook.of([FeedbackEntry(known_at=ASOF, round=1, lines=("trade less",))], shown=3)
    with chat_server(by_role) as server:
        committee = seat(database, server.url, feedback=book)
        committee.ask(market_view(hours=-1), recall(), GIVEN)
        before = len(server.requests)
        committee.ask(market_view(), recall(), GIVEN)
        committee.close()
    assert all("trade less" not in a.body["messages"][1]["content"] for a in server.requests[:before])
    assert len(server.requests) == 2 * before
    assert all("trade less" in a.body["messages"][1]["content"] for a in server.requests[before:])


def test_a_config_opens_its_committee(database: Database, tmp_path: Path) -> None:
    (tmp_path / "llm_feedback").mkdir()
    known = (ASOF - timedelta(days=1)).isoformat()
    line = f'{{"known_at": "{known}", "round": 1, "lines": ["from the file"]}}\n'
    (tmp_path / "llm_feedback" / "feedback.jsonl").write_text(line)
    with chat_server(by_role) as server:
        config = AgentMarketSettings.model_validate(
            {
                "llm": {"base_url": server.url},
                "agents": {
                    "roles": [{"name": "judge", "enabled": False}],
                    "feedback_file": "llm_feedback/feedback.jsonl",
                },
                "memory": {"k": 4},
            }
        )
        committee = open_committee(config, database, tmp_path, {"rsi_14": "relative strength"})
        views = committee.ask(market_view(), recall((0.01,) * 9), GIVEN)
        committee.close()
    asked = next(asked for asked in server.requests if asked.role == "conservative")
    system, user = (message["content"] for message in asked.body["messages"])
    assert len(views) == 7
    assert "rsi_14: relative strength" in system
    assert "from the file" in user
    assert '"n":4' in user


def test_an_outage_is_one_story_in_the_log(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    up = [False]
    with chat_server(lambda asked: by_role(asked) if up[0] else refusal(503, "down")) as server:
        committee = seat(database, server.url)
        with caplog.at_level(logging.INFO, logger="agent_market"):
            for hour in range(30):
                views = committee.ask(
                    market_view(hours=hour, features={"return_1": hour / 100}), recall(), GIVEN
                )
                assert [view.abstains for view in views] == [True, True, False, False, True]
            up[0] = True
            committee.ask(market_view(), recall(), GIVEN)
        committee.close()
    assert len(server.requests) == 93
    told = [record.message for record in caplog.records if record.name.endswith("breaker")]
    assert len(told) == 2, "the endpoint is given up once, and comes back once"
    lines = [record.message for record in caplog.records if record.name.endswith("failures")]
    assert len(lines) == 9, "the 1st and 10th failure of three agents, and three recoveries"
    assert "10 in a row" in lines[5]
    assert lines[-1] == "agent judge answers again after 30 failed calls"
    assert not any(record.exc_info for record in caplog.records)


def test_a_thousand_failures_make_four_lines(caplog: pytest.LogCaptureFixture) -> None:
    failures = FailureLog()
    for _ in range(1_000):
        failures.failed("judge", ModelUnavailable("down"))
    failures.failed("judge", AnswerInvalid("no JSON"))
    assert len(caplog.records) == 5
    assert "1,000 in a row" in caplog.messages[3]


class Babbling:
    """A client whose every answer is the same text."""

    usage = RequestTotals()

    def __init__(self, text: str) -> None:
        self._text = text

    def complete_all(self, requests) -> list[Completion]:
        return [Completion(self._text, False, 1, 1, 0.0) for _ in requests]

    def close(self) -> None:
        pass


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(st.text(st.characters(codec=None)) | st.text('{}[]":,\\0123456789.eE-depthconfi `\n\ud800'))
def test_no_babble_is_an_exception_or_an_opinion_nobody_gave(database: Database, text: str) -> None:
    source = AskedAnswers(LLMSettings(), Recorder(AnswerStore(database)), Babbling(text), mode="live")  # type: ignore[arg-type]
    for view in Committee(ROLES, source).ask(market_view(), recall(), GIVEN):
        if view.agent not in GIVEN:
            assert view.abstains or "{" in text
            assert view.abstains == (view.answer_key is None)
            assert -10 <= view.depth <= 10


def test_the_rules_of_the_sandbox_answer_every_role(database: Database) -> None:
    features = {
        "return_24": 0.03,
        "rsi_14": 0.6,
        "trend": 1.5,
        "volatility_percentile": 0.3,
        "drawdown": 0.01,
    }
    with running(create_model_app()) as url:
        committee = seat(database, f"{url}/v1")
        views = committee.ask(market_view(features), recall(), GIVEN)
        usage = committee.answers.usage
        committee.close()
    assert not any(view.abstains for view in views)
    assert all(view.reasons and view.belief for view in views if view.agent not in GIVEN)
    assert (usage.requests, usage.answers) == (3, 3)
    assert usage.prompt_tokens > usage.completion_tokens > 0
