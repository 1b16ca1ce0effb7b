"""A campaign, in process: a planted edge is promoted, a placebo is not, and everything is counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent_market.agents.roles import ROLES, Role
from agent_market.agents.tuning.campaign import Campaign, run_campaign, study_of
from agent_market.agents.tuning.panel import PromptPanel, StrictAnswers
from agent_market.agents.tuning.reflection import NewText, Reflector
from agent_market.agents.tuning.versions import PromptBook, texts_of, version_of
from agent_market.config import DecisionSettings, LLMSettings, TuningSettings
from agent_market.errors import DataError, ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.sources import Reply
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.prompts import promotions, read_prompt
from agent_market.store.trials import trials_of
from tests.helpers.planted_decisions import Rules, recorded, role, seated

DECISION = DecisionSettings()
SETTINGS = TuningSettings(least_training=150, least_validation=150, proposals=4, minibatch=125, shown_cases=2)
COUNT = 500


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/store.sqlite")


def campaign(
    database: Database,
    episodes: tuple[Episode, ...],
    settings: TuningSettings = SETTINGS,
    answers: Rules | None = None,
    held: Role | None = None,
    scope: str = "",
) -> Campaign:
    strict = StrictAnswers(answers or Rules())
    panel = PromptPanel(held or role(), ROLES, seated(strict), workers=1)
    reflector = Reflector("aggressive", strict, settings.max_tokens)
    return run_campaign(panel, reflector, episodes, database, "heuristic", DECISION, settings, scope=scope)


def test_a_planted_edge_is_found_proven_and_in_force_from_then_on(database: Database) -> None:
    episodes = recorded(COUNT, -0.4, 1)
    found = campaign(database, episodes)
    assert found.promoted
    assert found.verdict is not None
    assert found.verdict.deflated_p <= 0.05
    assert found.chosen is not None
    # What was planted falls after it rises, so its signal is faded.
    assert "Fade: momentum_24." in found.chosen.texts["belief"]
    (promotion,) = promotions(database)
    assert promotion.known_at == max(e.outcome.known_at for e in episodes if e.outcome)
    assert promotion.replaced == version_of(role())
    assert read_prompt(database, promotion.replaced) is not None
    book = PromptBook.of(ROLES, promotions(database), LLMSettings())
    before = book.at(promotion.known_at - timedelta(seconds=1))
    assert before == ROLES
    assert texts_of(next(r for r in book.newest if r.name == "aggressive")) == found.chosen.texts


def test_every_candidate_is_a_trial_and_running_again_adds_none(database: Database) -> None:
    episodes = recorded(COUNT, 0.0, 2)
    found = campaign(database, episodes)
    ledger = trials_of(database, study_of("aggressive"))
    assert {trial.candidate for trial in ledger} == {c.version for c in found.tried}
    assert found.trials == len(found.tried) >= 2
    assert 1.0 <= found.effective <= found.trials
    again = campaign(database, episodes)
    assert len(trials_of(database, study_of("aggressive"))) == len(ledger)
    assert again.trials == found.trials
    assert again.verdict == found.verdict


def test_trials_of_an_earlier_campaign_on_the_same_span_make_promotion_harder(database: Database) -> None:
    episodes = recorded(COUNT, 0.0, 3)
    first = campaign(database, episodes)
    second = campaign(database, episodes, SETTINGS.model_copy(update={"seed": 99, "minibatch": 100}))
    assert second.trials > first.trials


def test_a_placebo_is_not_promoted_and_the_prompt_in_force_stays(database: Database) -> None:
    found = campaign(database, recorded(COUNT, 0.0, 4))
    assert not found.promoted
    assert promotions(database) == ()


def test_too_few_decisions_are_refused_with_the_power_they_would_have(database: Database) -> None:
    with pytest.raises(DataError, match=r"noise decides.*IC 0\.05.*proven \d+% of the time"):
        campaign(database, recorded(200, -0.4, 5))
    with pytest.raises(DataError, match="no decision of agent 'aggressive'"):
        campaign(database, ())


def test_an_endpoint_that_fails_halfway_judges_nobody(database: Database) -> None:
    with pytest.raises(ModelUnavailable, match="go on from there"):
        campaign(database, recorded(COUNT, -0.4, 6), answers=Rules(down_after=600))
    assert promotions(database) == ()
    assert trials_of(database, study_of("aggressive")) == ()


def test_without_any_reflection_there_is_no_campaign(database: Database) -> None:
    with pytest.raises(ModelUnavailable, match="no reflection gave a usable text"):
        campaign(
            database,
            recorded(COUNT, -0.4, 7),
            answers=Rules(down_after=0, only="reflection_aggressive"),
        )


def test_a_text_that_no_prompt_may_hold_is_no_candidate_though_silence_would_beat_a_loss(
    database: Database,
) -> None:
    class Naming(Rules):
        def _reply(self, request: Request) -> Reply:
            if request.role == "reflection_aggressive":
                return NewText(text="Bitcoin falls after it has risen: fade it.")
            return request.leak() or super()._reply(request)

    with pytest.raises(ModelUnavailable, match=r"no reflection gave a usable text.*symbol or name"):
        campaign(database, recorded(COUNT, -0.4, 9), answers=Naming())
    assert promotions(database) == ()


def test_what_was_promoted_on_later_outcomes_is_not_overruled_by_earlier_ones(database: Database) -> None:
    episodes = recorded(COUNT, -0.4, 8)
    found = campaign(database, episodes)
    assert found.promoted
    assert found.chosen is not None
    tuned = next(
        r for r in PromptBook.of(ROLES, promotions(database), LLMSettings()).newest if r.name == "aggressive"
    )
    with pytest.raises(DataError, match="--rollback --role aggressive"):
        campaign(database, episodes, held=tuned)


def test_the_search_never_sees_the_validation_span(tmp_path: Path) -> None:
    """Write another future from the boundary on: the same candidates with the same training means."""
    whole = recorded(COUNT, -0.3, 9)
    half = COUNT // 2
    other = [
        replace(e, outcome=replace(e.outcome, market_return=-e.outcome.market_return)) if e.outcome else e
        for e in whole[half:]
    ]
    found = campaign(Database(f"sqlite:///{tmp_path}/one.sqlite"), whole)
    rewritten = campaign(Database(f"sqlite:///{tmp_path}/other.sqlite"), (*whole[:half], *other))
    assert (found.incumbent, found.tried) == (rewritten.incumbent, rewritten.tried)
    assert found.verdict is not None
    assert rewritten.verdict is not None
    assert found.verdict.test.mean > 0 > rewritten.verdict.test.mean


def test_the_validation_span_is_asked_about_for_the_chosen_candidate_only(database: Database) -> None:
    answers = Rules()
    found = campaign(database, recorded(COUNT, -0.4, 10), answers=answers)
    assert found.chosen is not None
    fully = sum(c.training is not None for c in found.tried)
    dropped = len(found.tried) - fully
    expected = found.training * (fully + 1) + dropped * SETTINGS.minibatch + 2 * found.validation
    assert answers.asked.count("aggressive") == expected


@pytest.mark.slow
def test_placebos_are_promoted_at_most_as_often_as_the_level_allows(tmp_path: Path) -> None:
    promoted = 0
    for seed in range(40):
        database = Database(f"sqlite:///{tmp_path}/{seed}.sqlite")
        promoted += campaign(database, recorded(COUNT, 0.0, 1_000 + seed)).promoted
    # At 5%, 2 of 40 with a deviation of 1.4; deflation makes it fewer.
    assert promoted <= 4


def test_two_scopes_tune_one_role_without_refusing_each_other(database: Database) -> None:
    episodes = recorded(COUNT, -0.4, 8)
    assert campaign(database, episodes, scope="flow-a").promoted
    assert campaign(database, episodes, scope="flow-b").promoted
    assert [p.scope for p in promotions(database)] == ["flow-a", "flow-b"]
    with pytest.raises(DataError, match="--rollback --role aggressive --for flow-a"):
        campaign(database, episodes, scope="flow-a")
    for scope, tuned in (("flow-a", True), ("flow-c", False), ("", False)):
        book = PromptBook.of(ROLES, promotions(database), LLMSettings(), scope)
        assert (book.newest != ROLES) is tuned
