from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from agent_market.errors import DataError
from agent_market.memory.bitemporal import Times
from agent_market.memory.graph.export import to_json
from agent_market.memory.graph.graph_store import edges_at, write_findings
from agent_market.memory.graph.job import discover
from agent_market.memory.graph.paths import explain, strongest_path
from agent_market.memory.graph.records import Edge, EdgeEvidence, EdgeKind
from agent_market.store.database import Database
from tests.helpers.episode_makers import at


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def edge(source: str, target: str, weight: float, known: datetime, kind: EdgeKind = "co-moves") -> Edge:
    evidence = EdgeEvidence({"q": 0.01, "lag": 2.0}, ("BTC/USDT@1",), ())
    return Edge(f"asset:{source}", f"asset:{target}", kind, weight, Times(known, known, known), evidence)


def names(database: Database, asof: datetime) -> list[tuple[str, str, float]]:
    return [(e.source[6:], e.target[6:], e.weight) for e in edges_at(database, asof)]


def test_findings_open_and_close_and_the_past_keeps_its_own(database: Database) -> None:
    write_findings(
        database, "", ["co-moves"], [edge("A", "B", 0.5, at(1)), edge("A", "C", 0.4, at(1))], at(1)
    )
    write_findings(database, "", ["leads"], [edge("A", "B", 0.3, at(2), "leads")], at(2))
    write_findings(database, "", ["co-moves"], [edge("A", "B", 0.6, at(5))], at(5))
    assert names(database, at(0)) == []
    assert names(database, at(4)) == [("A", "B", 0.5), ("A", "B", 0.3), ("A", "C", 0.4)]
    assert names(database, at(5)) == [("A", "B", 0.6), ("A", "B", 0.3)]
    assert edges_at(database, at(5))[0] == edge("A", "B", 0.6, at(5))
    write_findings(database, "", ["co-moves"], [], at(9))
    assert names(database, at(9)) == [("A", "B", 0.3)]
    assert names(database, at(4)) == [("A", "B", 0.5), ("A", "B", 0.3), ("A", "C", 0.4)]


def test_writing_again_at_one_moment_replaces_and_an_earlier_moment_is_refused(database: Database) -> None:
    for weight in (0.5, 0.7):
        write_findings(database, "", ["co-moves"], [edge("A", "B", weight, at(3))], at(3))
    assert names(database, at(3)) == [("A", "B", 0.7)]
    with pytest.raises(DataError, match="2024-01-01 03:00"):
        write_findings(database, "", ["co-moves"], [], at(2))
    with pytest.raises(ValueError, match="no finding of"):
        write_findings(database, "", ["leads"], [edge("A", "B", 0.5, at(4))], at(4))


def test_edges_of_a_run_are_seen_by_it_alone(database: Database) -> None:
    write_findings(database, "", ["co-moves"], [edge("A", "B", 0.5, at(1))], at(1))
    mine = Edge(
        "agent:quant", "regime:up-calm", "earns-in", 0.2, Times(at(1), at(1), at(1)), EdgeEvidence(), "mine"
    )
    write_findings(database, "mine", ["earns-in"], [mine], at(1))
    assert [e.scope for e in edges_at(database, at(2), "mine")] == ["", "mine"]
    assert [e.scope for e in edges_at(database, at(2), "yours")] == [""]
    assert len(edges_at(database, at(2))) == 2


def test_the_strongest_path_multiplies_weights_and_is_told_with_its_evidence() -> None:
    known = at(1)
    edges = [
        edge("A", "B", 0.9, known), edge("B", "C", -0.8, known, "leads"), edge("A", "C", 0.5, known),
        edge("A", "X", 0.0, known),
    ]  # fmt: skip
    path = strongest_path(edges, "asset:A", "asset:C")  # 0.9 x 0.8 = 0.72 > 0.5
    assert [(step.start, step.end) for step in path] == [("asset:A", "asset:B"), ("asset:B", "asset:C")]
    assert explain(path) == (
        "A and B move together (correlation +0.90) [q = 0.01; 1 episodes to BTC/USDT@1; known 2024-01-01]",
        "B leads C by 2 candles, the other way (correlation -0.80) "
        "[q = 0.01; 1 episodes to BTC/USDT@1; known 2024-01-01]",
    )
    back = strongest_path(edges, "asset:C", "asset:A")
    assert [(step.start, step.end) for step in back] == [("asset:C", "asset:B"), ("asset:B", "asset:A")]
    assert strongest_path(edges, "asset:A", "asset:X") == ()
    assert strongest_path(edges, "asset:A", "asset:A") == ()


def test_the_export_has_nodes_and_links_for_drawing() -> None:
    drawn = orjson.loads(to_json([edge("B", "C", -0.8, at(1), "leads"), edge("A", "B", 0.9, at(1))]))
    assert drawn["nodes"] == [
        {"id": "asset:A", "kind": "asset", "name": "A", "degree": 1},
        {"id": "asset:B", "kind": "asset", "name": "B", "degree": 2},
        {"id": "asset:C", "kind": "asset", "name": "C", "degree": 1},
    ]
    assert [(link["source"], link["target"], link["directed"]) for link in drawn["links"]] == [
        ("asset:A", "asset:B", False),
        ("asset:B", "asset:C", True),
    ]
    assert drawn["links"][0]["evidence"]["episodes"] == ["BTC/USDT@1"]


def test_the_job_runs_once_a_week(database: Database) -> None:
    rng = np.random.default_rng(8)
    moves = rng.normal(0, 0.01, 400)
    dates = pd.date_range(at(0), periods=400, freq="h")
    closes = {
        "A": pd.Series(100 * np.exp(np.cumsum(moves)), dates),
        "B": pd.Series(50 * np.exp(np.cumsum(moves + rng.normal(0, 0.005, 400))), dates),
    }
    assert discover(database, "run", closes, at(300)) == {"co-moves": 1}
    assert discover(database, "run", closes, at(300) + timedelta(days=6)) is None
    assert discover(database, "run", closes, at(300) + timedelta(days=7)) == {"co-moves": 1}
    assert discover(database, "run", {}, at(301) + timedelta(days=7), force=True) == {}
    assert [e.kind for e in edges_at(database, at(400) + timedelta(days=7))] == ["co-moves"]
    assert [e.kind for e in edges_at(database, at(300) + timedelta(days=7))] == ["co-moves"]
