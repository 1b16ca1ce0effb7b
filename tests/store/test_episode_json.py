from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.errors import StoreError
from agent_market.records import (
    AgentView,
    Clamp,
    Decision,
    Episode,
    MarketView,
    Neighbour,
    Outcome,
    Recall,
    RiskResult,
    Usage,
)
from agent_market.store.episode_json import outcome_to_json, record_from_json, record_to_json
from tests.helpers.episode_makers import an_episode, an_outcome, at

numbers = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(codec="utf-8"), max_size=12)
times = st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
mappings = st.dictionaries(text, numbers, max_size=4)
actions = st.sampled_from(["buy", "sell", "hold"])


def tuples(item: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(item, max_size=4).map(tuple)


views = st.builds(
    MarketView,
    pair=text,
    timeframe=text,
    asof=times,
    features=mappings,
    context=mappings,
    regime=text,
    state=tuples(numbers),
)
neighbours = st.builds(
    Neighbour, episode_id=text, asof=times, known_at=times, distance=numbers, market_return=numbers
)
agent_views = st.builds(
    AgentView,
    agent=text,
    depth=numbers,
    confidence=numbers,
    belief=text,
    reasons=tuples(text),
    abstained_reason=st.none() | text,
    answer_key=st.none() | text,
    asof=st.none() | times,
    carried_reason=st.none() | text,
)
decisions = st.builds(
    Decision,
    id=text,
    pair=text,
    asof=times,
    depth=numbers,
    action=actions,
    confidence=numbers,
    weights=mappings,
    contributions=mappings,
)
clamps = st.builds(Clamp, limit=text, threshold=numbers, value=numbers, before=numbers, after=numbers)
outcomes = st.builds(
    Outcome,
    market_return=st.floats(-1, 9),
    best=st.floats(-1, 9),
    worst=st.floats(-1, 9),
    cost=st.floats(0, 1),
    known_at=times,
)
episodes = st.builds(
    Episode,
    scope=text,
    view=views,
    recall=st.builds(Recall, asof=times, neighbours=tuples(neighbours)),
    views=tuples(agent_views),
    decision=decisions,
    verdict=st.builds(RiskResult, depth=numbers, action=actions, clamps=tuples(clamps)),
    due=times,
    outcome=st.none() | outcomes,
    usage=st.builds(
        Usage,
        calls=st.integers(0, 99),
        prompt_tokens=st.integers(0, 10**7),
        completion_tokens=st.integers(0, 10**6),
        cost=st.none() | st.floats(0, 1e6),
    ),
)


@settings(max_examples=150, deadline=None)
@given(episodes)
def test_an_episode_comes_back_from_json_exactly(episode: Episode) -> None:
    outcome = None if episode.outcome is None else outcome_to_json(episode.outcome)
    read = record_from_json(episode.scope, record_to_json(episode), outcome)
    assert read == episode
    assert record_to_json(read) == record_to_json(episode)


def test_the_order_in_which_mappings_were_filled_changes_no_byte() -> None:
    one, other = an_episode(1), an_episode(1)
    one = replace(one, view=replace(one.view, features={"a": 1.0, "b": 2.0}))
    other = replace(other, view=replace(other.view, features={"b": 2.0, "a": 1.0}))
    assert record_to_json(one) == record_to_json(other)


def test_an_episode_written_before_there_were_bills_has_an_empty_one() -> None:
    episode = an_episode(1)
    older = orjson.loads(record_to_json(episode))
    del older["usage"]
    assert record_from_json(episode.scope, orjson.dumps(older), None) == replace(episode, outcome=None)


def test_minus_zero_and_the_smallest_float_survive() -> None:
    episode = an_episode(1, state=(-0.0, 5e-324))
    state = record_from_json("test", record_to_json(episode), None).view.state
    assert [str(x) for x in state] == ["-0.0", "5e-324"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_refused_and_not_lost(bad: float) -> None:
    episode = an_episode(1)
    for broken, where in [
        (replace(episode, view=replace(episode.view, features={"rsi_14": bad})), "features"),
        (replace(episode, view=replace(episode.view, context={"vix": bad})), "context"),
        (replace(episode, views=(AgentView("quant", bad, 0.1),)), "views"),
        (replace(episode, decision=replace(episode.decision, weights={"quant": bad})), "weights"),
        (replace(episode, recall=Recall(at(1), (Neighbour("x", at(0), at(1), bad, 0.0),))), "recall"),
        (replace(episode, verdict=RiskResult(0.0, "hold", (Clamp("max", 1.0, bad, 1.0, 1.0),))), "clamps"),
    ]:
        with pytest.raises(StoreError, match=f"`{where}`"):
            record_to_json(broken)
    with pytest.raises(StoreError, match="not finite"):
        outcome_to_json(an_outcome(2, market_return=bad))


def test_a_numpy_number_is_refused_for_records_hold_plain_floats() -> None:
    episode = an_episode(1)
    view = replace(episode.view, features={"rsi_14": np.float64(0.5)})
    with pytest.raises(StoreError, match="plain floats"):
        record_to_json(replace(episode, view=view))


def test_a_time_between_two_seconds_is_refused() -> None:
    recall = Recall(at(1), (Neighbour("x", at(0) + timedelta(microseconds=1), at(1), 0.0, 0.0),))
    with pytest.raises(StoreError, match="whole second"):
        record_to_json(replace(an_episode(1), recall=recall))


def test_the_same_moment_in_another_time_zone_reads_back_equal() -> None:
    tokyo = timezone(timedelta(hours=9))
    episode = replace(an_episode(1), due=at(13).astimezone(tokyo))
    assert record_from_json("test", record_to_json(episode), None).due == at(13)


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[]", b"null", b'{"view": 1', b"\xff\xfe"])
def test_a_damaged_record_is_an_error_that_names_the_scope(damaged: bytes) -> None:
    with pytest.raises(StoreError, match="'my-scope'"):
        record_from_json("my-scope", damaged, None)
