from __future__ import annotations

from dataclasses import replace

from agent_market.memory.bitemporal import Times, times_of
from agent_market.memory.episode_text import case_line, episode_texts, prompt_line, tell
from agent_market.memory.gates import ViewFilter
from agent_market.records import AgentView, Episode
from tests.helpers.episode_makers import an_episode, an_outcome, at


def view(belief: str, agent: str = "judge") -> AgentView:
    return AgentView(agent, 2.0, 0.6, belief)


def test_failed_calls_empty_reasons_and_repetitions_become_no_text() -> None:
    gate = ViewFilter()
    admitted = [
        gate.refusal(v) is None
        for v in (
            view("momentum is strong while volume confirms it"),
            AgentView.abstain("judge", "the endpoint is down"),
            view(""),
            view("Momentum is strong, while volume confirms it."),
            view("momentum is strong while volume confirms it", agent="quant"),
            view("momentum is weak and volume denies it entirely"),
        )
    ]
    assert admitted == [True, False, False, False, True, True]
    assert gate.refused == {"failed-call": 1, "empty": 1, "duplicate": 1}


def _episode() -> Episode:
    plain = an_episode(3, depths={"quant": 4.0, "judge": -2.0}, outcome=an_outcome(15, 0.02))
    views = (
        replace(plain.views[0], belief="the model expects a rise of note"),
        AgentView.abstain("judge", "the endpoint is down"),
    )
    return replace(plain, views=views)


def test_the_story_of_a_trade() -> None:
    story = tell(_episode())
    assert story.who == ("quant +4.0", "judge abstained")
    assert story.what == "hold at depth +1.0; the market made +2.00% (best +2.00%, worst +0.00%)"
    assert story.where == "BTC/USDT 1h, chop-calm"
    assert story.why == ("quant: the model expects a rise of note", "judge: the endpoint is down")
    assert story.how == ("judge weighed 0.50", "quant weighed 0.50")
    assert story.when == Times(at(3), at(15), at(3))


def test_the_four_times() -> None:
    times = times_of(_episode(), invalid_from=at(20))
    assert [times.holds_at(at(hour)) for hour in (14, 15, 19, 20)] == [False, True, True, False]
    assert times_of(replace(_episode(), outcome=None)).known == at(3)


def test_a_case_line_names_neither_market_nor_moment() -> None:
    assert case_line(_episode()) == (
        "chop-calm; quant +4.0; decided +1.0; the market made +2.00% (best +2.00%, worst +0.00%)"
    )


def test_the_line_for_prompts_is_short_and_names_neither_market_nor_moment() -> None:
    assert prompt_line(_episode()) == "chop-calm +1.0, +2.0% +0.0%"
    assert prompt_line(replace(_episode(), outcome=None)) == "chop-calm +1.0, not known yet"


def test_texts_of_an_episode_are_known_with_its_outcome() -> None:
    (text,) = episode_texts([_episode(), replace(_episode(), outcome=None)], ViewFilter())
    assert text.id == "BTC/USDT@3#quant"
    assert text.known_at == int(at(15).timestamp())
    assert text.valid_from == int(at(3).timestamp())
    assert text.text == "quant: the model expects a rise of note"
