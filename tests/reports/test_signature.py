"""The sandbox's own signature decides whether rules or a language model answered, not a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_market.config import load_settings
from agent_market.llm.answers.sources import open_answers
from agent_market.llm.decision_context import decision_context
from agent_market.llm.endpoints.signature import RULES, SIGNATURE
from agent_market.records import AgentView
from agent_market.reports.load import are_signed
from agent_market.reports.provenance import RECORDED_NOTE, RULES_MODEL, warnings_of
from agent_market.sandbox.model.catalog import CHAT_MODELS, FINGERPRINT
from agent_market.store.database import Database
from tests.helpers.agent_makers import llm, request
from tests.helpers.chat_server import Said, answer, chat_server, completion
from tests.helpers.sample_episodes import make_episode


def test_client_and_sandbox_agree_on_the_signature() -> None:
    assert SIGNATURE == FINGERPRINT
    assert RULES == RULES_MODEL
    assert all(name.startswith(RULES) for name in CHAT_MODELS)


@pytest.mark.parametrize("is_sandbox", [True, False])
def test_a_model_that_is_only_named_like_the_rules_is_no_rules(tmp_path: Path, is_sandbox: bool) -> None:
    good = completion(answer())
    if is_sandbox:
        good = Said(good.body[:-1] + b', "system_fingerprint": "%s"}' % SIGNATURE.encode())
    url = f"sqlite:///{tmp_path}/store.sqlite"
    database = Database(url)
    with chat_server(lambda _: good) as server:
        source = open_answers(llm(server.url), database)
        with decision_context("x") as case:
            source.ask([request()])
        source.close()
    database.close()
    assert case.usage.cost == 0.0, "the price goes by the name that was asked for"
    view = AgentView("aggressive", 2.5, 0.6, "b", (), answer_key=request().key)
    episode = replace(make_episode(), views=(view,))
    settings = load_settings({"agent_market": {"store": {"url": url}}})
    signed = are_signed([episode], settings, tmp_path)
    assert signed is is_sandbox
    (line,) = warnings_of("heuristic", {}, RECORDED_NOTE, signed)
    assert line.startswith("No language model took part" if is_sandbox else "An unknown model took part")
