"""What must be on the disk after a bot was killed, from what it told, and where the disk says otherwise."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import cloudpickle

from agent_market.bot.breaker.breaker_service import breaker_from
from agent_market.bot.control import Control
from agent_market.bot.json_state import read_fact
from agent_market.queries.risk_log import NAME
from agent_market.records import decision_of
from agent_market.runs.manifest import FOLDER, LATEST, latest_manifest
from tests.helpers.killed_strategy import digest

Key = tuple[str, int]


@dataclass(frozen=True)
class Row:
    """One decision: its id, digests of record and outcome, and when the outcome is due."""

    id: str
    record: str
    outcome: str | None
    due: int


@dataclass
class Truth:
    """Everything told so far. `problems` names each thing that is not as it was told."""

    folder: Path
    rows: dict[Key, Row] = field(default_factory=dict)
    trades: dict[int, list[Any]] = field(default_factory=dict)
    switches: dict[str, Any] = field(
        default_factory=lambda: {"paused": False, "mode": "auto", "frozen": False}
    )
    problems: list[str] = field(default_factory=list)
    within_a_write: int = 0
    writes_kept: int = 0
    with_open_trades: int = 0
    switched: int = 0
    settled_by_job: int = 0
    within_a_training: int = 0
    within_a_save: int = 0
    trained: int = 0
    _read: int = 0

    @property
    def user_data(self) -> Path:
        return self.folder / "user_data"

    def check(self) -> None:
        """Take in what the dead bot told, and compare the disk with it."""
        under_way, switching = self._hear()
        with _opened(self.user_data / "agent_market.sqlite") as store:
            self._sound(store)
            self._decisions(store, under_way)
        with _opened(self.user_data / "trades.sqlite") as trades:
            self._sound(trades)
            self._trades(trades)
        self._switches(switching)
        self._files()

    # --- what was told -------------------------------------------------------------------------------

    def _hear(self) -> tuple[list[list[Any]], dict[str, Any]]:
        """The transactions and the switch that were under way at the end, if any."""
        under_way: dict[str, list[Any]] = {}
        switching: dict[str, Any] = {}
        training = saving = False
        for line in self._new_lines():
            match line["what"]:
                case "writing" | "settling":
                    under_way[line["what"]] = line["batch"]
                case "written":
                    self._commit(under_way.pop("writing"))
                case "settled":
                    self.settled_by_job += len(under_way["settling"])
                    self._commit(under_way.pop("settling"))
                case "training":
                    training = True
                case "saving":
                    saving = True
                case "trained":
                    training = saving = False
                    self.trained += 1
                case "switching":
                    switching = line["to"]
                case "switched":
                    self.switches |= switching
                    self.switched += 1
                    switching = {}
                case "started":
                    if line["state"] != self.switches:
                        self.problems.append(f"started with {line['state']}, told {self.switches}")
                case "left locked":
                    self.problems.append("entries are locked for a breaker that is not frozen")
                case "looped":
                    for trade in line["trades"]:
                        self._saw_trade(trade)
        self.within_a_training += training
        self.within_a_save += saving
        return [batch for batch in under_way.values() if batch], switching

    def _new_lines(self) -> list[dict[str, Any]]:
        told = self.folder / "told.jsonl"
        raw = told.read_bytes()[self._read :] if told.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        self._read += len(whole)
        if whole != raw:  # the kill struck the side channel itself; nobody was told
            with told.open("r+b") as file:
                file.truncate(self._read)
        return [json.loads(line) for line in whole.splitlines()]

    def _commit(self, batch: list[Any]) -> None:
        for key, row in map(_row, batch):
            before = self.rows.get(key)
            if before is not None and before.record != row.record:
                self.problems.append(f"{row.id} was decided a second time, and otherwise")
            if before is not None and before.outcome is not None and row.outcome != before.outcome:
                self.problems.append(f"{row.id} was given a second outcome")
            self.rows[key] = row

    def _saw_trade(self, trade: list[Any]) -> None:
        before = self.trades.get(trade[0])
        if before is not None and (before[:3] != trade[:3] or (trade[3] and not before[3])):
            self.problems.append(f"trade {before} became {trade}")
        self.trades[trade[0]] = trade

    # --- what is on the disk -------------------------------------------------------------------------

    def _sound(self, database: sqlite3.Connection) -> None:
        (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        orphans = database.execute("PRAGMA foreign_key_check").fetchall()
        if verdict != "ok" or orphans:
            self.problems.append(f"a database is damaged: {verdict}, orphans {orphans}")

    def _decisions(self, store: sqlite3.Connection, under_way: list[list[Any]]) -> None:
        query = "SELECT pair, asof, id, record, outcome, due, known_at FROM episodes WHERE scope = 'live'"
        found: dict[Key, Row] = {}
        for pair, asof, name, record, outcome, due, known_at in store.execute(query):
            if (outcome is None) != (known_at is None):
                self.problems.append(f"{name} has half an outcome")
            found[pair, asof] = Row(name, digest(record), outcome and digest(outcome), due)
        if len({row.id for row in found.values()}) < len(found):
            self.problems.append("an id stands for two decisions")
        self.within_a_write += bool(under_way)
        kept = self._kept(found, under_way)
        for batch in kept:
            self._commit(batch)
        self.writes_kept += len(kept)
        for key in found.keys() | self.rows.keys():
            if found.get(key) != self.rows.get(key):
                self.problems.append(f"{key}: told {self.rows.get(key)}, stored {found.get(key)}")
        self._settled(found)

    def _kept(self, found: dict[Key, Row], under_way: list[list[Any]]) -> list[list[Any]]:
        """The fewest struck transactions that, each as a whole, lead from what was told to the disk.

        None where no choice does. A row alone does not tell: the loop and the job may both have been about
        to write the same outcome.
        """
        for count in range(len(under_way) + 1):
            for kept in combinations(under_way, count):
                rows = {key: row for batch in kept for key, row in map(_row, batch)}
                if self.rows | rows == found:
                    return list(kept)
        return []

    def _settled(self, found: dict[Key, Row]) -> None:
        """A decision is written with every outcome that was due by then."""
        newest: dict[str, int] = {}
        for pair, asof in found:
            newest[pair] = max(newest.get(pair, 0), asof)
        late = [row.id for (pair, _), row in found.items() if row.due <= newest[pair] and row.outcome is None]
        if late:
            self.problems.append(f"decided on, and without an outcome: {late}")

    def _trades(self, database: sqlite3.Connection) -> None:
        found = {row[0]: row for row in database.execute("SELECT id, pair, enter_tag, is_open FROM trades")}
        for number, (_, pair, tag, is_open) in self.trades.items():
            if number not in found or found[number][1:3] != (pair, tag) or found[number][3] > is_open:
                self.problems.append(f"trade {number} of {pair} was told, and is {found.get(number)}")
        held = [row[1] for row in found.values() if row[3]]
        if len(set(held)) < len(held):
            self.problems.append(f"a pair is held twice: {held}")
        self.with_open_trades += bool(held)
        decided = {row.id for row in self.rows.values()}
        for number, _, tag, _ in found.values():
            if decision_of(tag) not in decided:
                self.problems.append(f"trade {number} names {tag!r}, which is no decision")
        bare = "SELECT count(*) FROM trades WHERE id NOT IN (SELECT ft_trade_id FROM orders)"
        twice = "SELECT count(*) - count(DISTINCT order_id) FROM orders"
        for query, what in ((bare, "trades without an order"), (twice, "orders twice")):
            if number := database.execute(query).fetchone()[0]:
                self.problems.append(f"{number} {what}")

    def _switches(self, switching: dict[str, Any]) -> None:
        folder = self.user_data / "agent_market"
        state = Control(folder).state()
        frozen = breaker_from(read_fact(folder / "breaker.json")).frozen
        stands = {"paused": state.paused, "mode": state.mode, "frozen": frozen}
        if state.damaged or stands not in (self.switches, self.switches | switching):
            self.problems.append(f"switches {stands}, told {self.switches} then {switching}")
        self.switches = stands

    def _files(self) -> None:
        """The journal has whole lines, and what is read at the next start can be read."""
        if (self.user_data / FOLDER / LATEST).exists():
            latest_manifest(self.user_data)
        read_fact(self.user_data / "agent_market" / "day.json")
        journal = self.user_data / "agent_market" / NAME
        for line in journal.read_bytes().split(b"\n")[:-1] if journal.exists() else ():
            try:
                json.loads(line)
            except ValueError:
                self.problems.append(f"a damaged line in the journal: {line[:200]!r}")
        for listing in (self.user_data / "models").glob("*/pair_dictionary.json"):
            for pair, listed in json.loads(listing.read_bytes()).items():
                if listed["model_filename"]:
                    self._model(pair, Path(listed["data_path"]) / listed["model_filename"])

    def _model(self, pair: str, stem: Path) -> None:
        """FreqAI's list names models that the next bot can load."""
        try:
            json.loads(Path(f"{stem}_metadata.json").read_bytes())
            for ending in ("model.joblib", "feature_pipeline.pkl", "label_pipeline.pkl"):
                cloudpickle.loads(Path(f"{stem}_{ending}").read_bytes())
        except (OSError, ValueError, EOFError, UnpicklingError) as error:
            self.problems.append(f"the model listed for {pair} cannot be loaded: {error!r}")


def _row(told: list[Any]) -> tuple[Key, Row]:
    pair, asof, *rest = told
    return (pair, asof), Row(*rest)


class _opened:
    """A database as the next process finds it: this rolls back or takes in what the dead one left."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
