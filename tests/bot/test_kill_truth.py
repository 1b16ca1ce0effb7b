"""The check that follows each kill: a struck transaction may be there as a whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.kill_truth import Truth, _opened
from tests.helpers.killed_strategy import digest

SETTLED = ["BTC/USDT", 60, "one", digest(b"first"), digest(b"+1 %"), 180]
UNSETTLED = [*SETTLED[:4], None, 180]
NEW = ["BTC/USDT", 120, "two", digest(b"second"), None, 240]

COLUMNS = "pair, asof, id, record, outcome, due, known_at, scope"
STORED: dict[str, tuple[Any, ...]] = {
    "one": ("BTC/USDT", 60, "one", b"first", None, 180, None, "live"),
    "one, settled": ("BTC/USDT", 60, "one", b"first", b"+1 %", 180, 180, "live"),
    "two": ("BTC/USDT", 120, "two", b"second", None, 240, None, "live"),
}

LOOP = {"what": "writing", "batch": [SETTLED, NEW]}
JOB = {"what": "settling", "batch": [SETTLED]}


@pytest.mark.parametrize(
    ("told", "stored", "kept"),
    [
        ([], ["one"], 0),
        ([LOOP], ["one"], 0),
        ([LOOP], ["one, settled", "two"], 1),
        ([JOB, {"what": "settled"}, LOOP], ["one, settled"], 0),
        ([JOB, {"what": "settled"}, LOOP], ["one, settled", "two"], 1),
        ([JOB, LOOP], ["one, settled"], 1),
        ([JOB, LOOP], ["one, settled", "two"], 1),
    ],
)
def test_a_struck_transaction_that_is_there_as_a_whole_or_not_at_all_is_no_problem(
    tmp_path: Path, told: list[dict[str, Any]], stored: list[str], kept: int
) -> None:
    truth = _truth(tmp_path, told, stored)
    assert truth.problems == []
    assert truth.writes_kept == kept


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ([], []),
        ([], ["one", "two"]),
        ([], ["one, settled"]),
        ([LOOP], ["one, settled"]),
        ([LOOP], ["one", "two"]),
        ([LOOP], ["two"]),
        ([JOB, LOOP], ["one", "two"]),
        ([LOOP, {"what": "written"}], ["one, settled"]),
        ([JOB, {"what": "settled"}], ["one"]),
    ],
)
def test_what_was_told_and_is_gone_or_is_there_by_half_is_named(
    tmp_path: Path, told: list[dict[str, Any]], stored: list[str]
) -> None:
    assert _truth(tmp_path, told, stored).problems


def _truth(folder: Path, told: list[dict[str, Any]], stored: list[str]) -> Truth:
    """One unsettled decision was told as written; then `told`, and the kill."""
    before = [{"what": "writing", "batch": [UNSETTLED]}, {"what": "written"}]
    (folder / "told.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*before, *told]))
    user_data = folder / "user_data"
    user_data.mkdir()
    store = sqlite3.connect(user_data / "agent_market.sqlite")
    store.execute(f"CREATE TABLE episodes ({COLUMNS})")
    store.executemany("INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [STORED[n] for n in stored])
    store.commit()
    store.close()
    truth = Truth(folder)
    under_way, _ = truth._hear()
    with _opened(user_data / "agent_market.sqlite") as opened:
        truth._decisions(opened, under_way)
    return truth
