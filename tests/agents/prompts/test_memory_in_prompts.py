"""What memory says in prompts: numbers, a line each, ids to cite, masked."""

from __future__ import annotations

from dataclasses import replace

import orjson

from agent_market.agents.prompts.system_prompt import system_message
from agent_market.agents.prompts.user_prompt import Brief
from agent_market.agents.roles import Role, role_table
from agent_market.config import AgentSettings
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.llm.egress.masking import Disguises
from agent_market.records import Lesson, Neighbour, Recall
from tests.helpers.episode_makers import a_view, at

ROLES = {role.name: role for role in role_table(AgentSettings())}
CASE = Neighbour("BTC/USDT@2023-11-05T12:00Z", at(-99), at(-87), 0.5, 0.02, "chop-calm +2.0")
RECALL = Recall(
    at(1),
    (CASE, replace(CASE, market_return=-0.01, line="")),
    (
        Lesson("b176e6bcdee1", at(0), False, "Bitcoin rallies fade on weekends"),
        Lesson("2cf7e30bfbb7", at(0), True, "BTC/USDT closed 2023-11-05 above its ``` average"),
    ),
)


def block(role: Role, recall: Recall = RECALL) -> tuple[str, dict[str, object]]:
    view = a_view(1)
    brief = Brief(view, recall, mask=Disguises(Vocabulary(["BTC/USDT"])).of(view))
    message = brief.user_message(role)
    return message, orjson.loads(message.split("```json\n")[1].split("\n```")[0])


def test_cases_and_lessons_have_ids_to_cite_and_say_neither_market_nor_moment() -> None:
    message, shown = block(ROLES["aggressive"])
    cases = shown["recall"]["neighbours"]  # type: ignore[index]
    assert [(case[0], *case[3:]) for case in cases] == [(1, "chop-calm +2.0"), (2,)]
    lessons = shown["lessons"]
    assert [(lesson["id"], lesson["contested"]) for lesson in lessons] == [("L1", False), ("L2", True)]  # type: ignore[union-attr]
    assert lessons[0]["text"] == "ASSET rallies fade on weekends"  # type: ignore[index]
    for secret in ("BTC", "itcoin", "2023", "b176e6bcdee1", "2cf7e30bfbb7"):
        assert secret not in message
    assert message.count("```") == 2
    assert "by their ids" in system_message(ROLES["aggressive"])


def test_without_lessons_there_is_no_entry_and_who_does_not_see_memory_gets_none() -> None:
    assert "lessons" not in block(ROLES["aggressive"], Recall(at(1)))[1]
    blind = replace(ROLES["aggressive"], sees=ROLES["aggressive"].sees - {"memory"})
    assert {"lessons", "recall"}.isdisjoint(block(blind)[1])
