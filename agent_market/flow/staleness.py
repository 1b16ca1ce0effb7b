"""Decide whether a step is stale, by comparing hashed inputs with those of finished steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_market.flow.files import digest_of_values
from agent_market.flow.record import StepRecord, changed_inputs, damage, read_record, records_of
from agent_market.flow.steps.base import ONCE, Context, Step

FIRST_TIME = "first time"


@dataclass(frozen=True, slots=True)
class Decision:
    """`archived` is the folder to reuse, None if the step must be made; `reason` explains it to people."""

    inputs: Mapping[str, str]
    archived: Path | None
    record: StepRecord | None
    reason: str


def place_of(step: Step, number: int) -> str:
    """Return the path of a step in the folder of a run."""
    return step.name if step.once else f"round-{number}/{step.name}"


def decide(step: Step, at: Context, *, force: bool = False) -> Decision:
    """Look for equal inputs in this run, then in all other runs, the newest first.

    :param force: make the step in any case, unless this run made it already.
    """
    inputs = _hashed(step, at)
    key = digest_of_values([step.name, inputs])
    runs, place = at.plan.runs, place_of(step, at.number)
    reason = FIRST_TIME
    own = at.plan.folder / place
    candidates = [(own, record)] if (record := read_record(own)) is not None else []
    if not force:
        candidates += [found for found in records_of(runs, place) if found[0] != own]
    newest: StepRecord | None = None
    for folder, record in candidates:
        newest = newest or record
        if record.key != key:
            continue
        problem = damage(folder, record) or step.stale(at, folder)
        if problem is None:
            why = "done already in this run" if folder == own else f"unchanged since {record.run}"
            return Decision(inputs, folder, record, why)
        reason = f"again: {problem}"
        newest = record
    if reason == FIRST_TIME and newest is not None:
        reason = f"changed: {', '.join(changed_inputs(newest.inputs, inputs))}"
    return Decision(inputs, None, None, "asked to run again" if force else reason)


def _hashed(step: Step, at: Context) -> dict[str, str]:
    values = {name: digest_of_values(value) for name, value in step.inputs(at).items()}
    wanted = [(name, at.number) for name in step.needs] + [(name, ONCE) for name in step.needs]
    wanted += [(name, at.number - 1) for name in step.before if at.number > 1]
    for name, number in wanted:
        folder = at.folders.get((name, number))
        record = read_record(folder) if folder is not None else None
        if record is not None:
            earlier = number not in (at.number, ONCE)
            values[f"{name} of round {number}" if earlier else name] = record.digest
    return values
