from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from agent_market.memory.bitemporal import Times
from agent_market.memory.graph.discovery import agent_edges, market_edges
from agent_market.memory.graph.note_edges import note_edges
from agent_market.memory.notes import Note
from agent_market.memory.text.index import Aspects
from agent_market.records import Episode
from tests.helpers.episode_makers import SCOPE, an_episode, an_outcome, at

HOURS = 800
END = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=HOURS)


def planted() -> pd.DataFrame:
    """BBB moves with AAA, CCC follows AAA three candles later the other way, DDD and EEE are on their own."""
    rng = np.random.default_rng(5)
    a, b, c, d, e = rng.normal(0, 0.01, (5, HOURS))
    b = 0.8 * a + 0.6 * b
    c[3:] = -0.7 * a[:-3] + 0.7 * c[3:]
    dates = pd.date_range("2024-01-01T01:00", periods=HOURS, freq="h", tz="UTC")
    return pd.DataFrame({"EEE": e, "AAA": a, "BBB": b, "CCC": c, "DDD": d}, index=dates)


def test_planted_relations_are_found_and_no_others() -> None:
    edges = {(e.source[6:], e.target[6:], e.kind): e for e in market_edges(planted(), END)}
    # BBB carries AAA's news too, so it leads CCC as well.
    assert set(edges) == {
        ("AAA", "BBB", "co-moves"), ("AAA", "CCC", "leads"), ("BBB", "CCC", "leads"),
    }  # fmt: skip
    leads = edges["AAA", "CCC", "leads"]
    assert leads.weight == pytest.approx(-0.7, abs=0.08)
    assert leads.evidence.statistics["lag"] == 3.0
    assert leads.evidence.statistics["tests"] == 5 * 4 * 6
    assert leads.evidence.statistics["q"] <= 0.05
    assert leads.times == Times(END, END, END)


def test_what_comes_later_changes_no_edge() -> None:
    returns = planted()
    asof = END - timedelta(hours=200)
    other = returns.copy()
    other.loc[other.index > asof] *= -7.0
    assert market_edges(returns, asof) == market_edges(other, asof)
    assert market_edges(returns, asof) == market_edges(returns.loc[returns.index <= asof], asof)
    assert market_edges(returns, returns.index[0] - timedelta(hours=9)) == ()


def test_noise_gives_no_edges() -> None:
    rng = np.random.default_rng(6)
    dates = pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC")
    noise = pd.DataFrame(rng.normal(size=(500, 8)), index=dates, columns=list("ABCDEFGH"))
    assert market_edges(noise, END, least=0.0) == ()


def episodes() -> list[Episode]:
    """The quant is right nine times of ten in calm chop, the judge as often as a coin."""
    rng = np.random.default_rng(7)
    made = []
    for n in range(120):
        market = float(rng.normal(0, 0.01))
        quant = 5.0 if (market > 0) == (rng.random() < 0.9) else -5.0
        judge = 5.0 if rng.random() < 0.5 else -5.0
        outcome = an_outcome(20 * n + 12, market)
        made.append(an_episode(20 * n, depths={"quant": quant, "judge": judge}, outcome=outcome))
    return made


def test_an_agent_that_earns_in_a_regime_has_an_edge_with_its_episodes_as_evidence() -> None:
    made = episodes()
    (edge,) = agent_edges(made, SCOPE, at(5_000))
    assert (edge.source, edge.target, edge.kind, edge.scope) == (
        "agent:quant", "regime:chop-calm", "earns-in", SCOPE,
    )  # fmt: skip
    rewards = [e.outcome.market_return * e.views[0].depth / 10 for e in made if e.outcome]
    assert edge.evidence.statistics["mean_reward"] == pytest.approx(np.mean(rewards))
    assert edge.weight == pytest.approx(np.mean(rewards) / np.std(rewards, ddof=1))
    assert edge.evidence.episodes == tuple(e.id for e in made[-20:])


def test_outcomes_that_are_not_known_yet_are_no_evidence() -> None:
    made = episodes()
    known = [e for e in made if e.outcome and e.outcome.known_at <= at(1_000)]
    late = [replace(e, outcome=an_outcome(9_999, 5.0)) for e in made[len(known) :]]
    assert agent_edges([*known, *late], SCOPE, at(1_000)) == agent_edges(known, SCOPE, at(1_000))
    assert agent_edges(made, SCOPE, at(1)) == ()


def test_notes_become_principles_that_mention_apply_and_contradict() -> None:
    times = Times(at(1), at(1), at(1))
    yes = Note("Buying BTC when rsi is low works", "ann", times, aspects=Aspects(regime="up-calm"))
    no = Note(
        "Buying BTC when rsi is low does not work", "bob", times, aspects=Aspects(regime="up-calm"), trust=0.4
    )
    later = Note("FOMC days are wild", "ann", Times(at(9), at(9), at(9)))
    edges = note_edges([yes, no, later], at(5))
    me, other = f"principle:{yes.id}", f"principle:{no.id}"
    said = {(e.source, e.target, e.kind) for e in edges}
    assert {(me, "asset:BTC", "mentions"), (me, "indicator:rsi", "mentions")} <= said
    assert (me, "regime:up-calm", "applies-in") in said
    (contradiction,) = [e for e in edges if e.kind == "contradicts"]
    assert {contradiction.source, contradiction.target} == {me, other}
    assert contradiction.weight == 0.4
    assert not any("fomc" in e.target for e in edges)
