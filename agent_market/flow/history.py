"""Tables of past runs: a list, one run in full, and the differences between two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from agent_market.flow.archive import SETTINGS, RunInfo, all_runs, read_run
from agent_market.flow.engine import ROUNDS
from agent_market.flow.record import StepRecord, changed_inputs, read_record


def list_table(runs: Path, holder: str | None = None) -> Table:
    """Return one line per run, oldest first.

    :param holder: the run that holds the lock now; any other with status "running" was killed.
    """
    table = Table(pad_edge=False)
    for heading in ("Run", "Flow", "How it went", "Steps", "Commit", "Products"):
        table.add_column(heading, no_wrap=True)
    for run in all_runs(runs):
        steps = len(steps_of(runs / run.id))
        commit = str(run.git["commit"])[:8] + ("+" if run.git["changed"] else "") if run.git else ""
        table.add_row(run.id, run.scope, _how(run, holder), str(steps), commit, (run.digest or "")[:12])
    return table


def show_tables(folder: Path, run: RunInfo, holder: str | None = None) -> tuple[Table, Table]:
    """Return the facts of a run, and its steps with their inputs."""
    facts = Table(title=f"RUN {run.id}", title_style="bold", show_header=False, pad_edge=False)
    facts.add_column(no_wrap=True)
    facts.add_column()
    rows = {
        "flow": run.scope,
        "how it went": _how(run, holder),
        "started": run.started_at,
        "ended": run.ended_at or "",
        "error": run.error or "",
        "git": _git(run),
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "products": run.digest or "",
        "folder": str(folder),
    }
    for name, value in rows.items():
        if value:
            facts.add_row(name, value)
    steps = Table(pad_edge=False)
    for heading in ("Step", "Seconds", "Made by", "Products", ""):
        steps.add_column(heading, no_wrap=heading != "")
    for place, record in steps_of(folder).items():
        by = "this run" if record.run == run.id else record.run
        steps.add_row(place, f"{record.seconds:.1f}", by, record.digest[:12], record.words)
    return facts, steps


def diff_table(old: Path, new: Path) -> Table:
    """Compare two runs: settings, versions, commit, inputs and products of steps, figures."""
    table = Table(pad_edge=False)
    for heading in ("", old.name, new.name):
        table.add_column(heading)
    for key, a, b in differences(old, new):
        table.add_row(key, a, b)
    return table


def differences(old: Path, new: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (what, in the old run, in the new run) for everything that differs."""
    yield from _unequal("settings.", _flat(_settings(old)), _flat(_settings(new)))
    a, b = read_run(old), read_run(new)
    if a is not None and b is not None:
        yield from _unequal("version of ", a.versions, b.versions)
        yield from _unequal("", {"git": _git(a)}, {"git": _git(b)})
    before, after = steps_of(old), steps_of(new)
    for place in sorted({*before, *after}):
        one, other = before.get(place), after.get(place)
        if one is None or other is None:
            yield place, "not there" if one is None else "made", "not there" if other is None else "made"
            continue
        changed = changed_inputs(one.inputs, other.inputs)
        if changed:
            yield f"{place} from", "", f"other {', '.join(changed)}"
        if one.digest != other.digest:
            yield f"{place} products", one.digest[:12], other.digest[:12]
    for number, (x, y) in enumerate(zip(_rounds(old), _rounds(new), strict=False), start=1):
        yield from _unequal(f"round {number} ", x, y)


def steps_of(folder: Path) -> dict[str, StepRecord]:
    """Return step place -> record of every finished step of a run, sorted by place."""
    found = {}
    for file in sorted(folder.glob("**/step.json")):
        place = file.parent.relative_to(folder).as_posix()
        record = read_record(file.parent)
        if record is not None and not place.endswith(".working"):
            found[place] = record
    return found


def _how(run: RunInfo, holder: str | None) -> str:
    return "killed" if run.status == "running" and run.id != holder else run.status


def _git(run: RunInfo) -> str:
    if run.git is None:
        return ""
    changed = len(run.git["changed"])
    return f"{run.git['commit'][:12]} ({run.git['branch']}){f', {changed} files changed' if changed else ''}"


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / SETTINGS
    return dict(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _rounds(folder: Path) -> list[dict[str, Any]]:
    file = folder / ROUNDS
    return list(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else []


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = value
    return flat


def _unequal(before: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key), new.get(key)
        if a != b:
            yield f"{before}{key}", _text(a), _text(b)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
