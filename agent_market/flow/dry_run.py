"""`--dry`: list what a flow would do, step by step, without writing anything."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rich.table import Table

from agent_market.flow.market import ServedMarket
from agent_market.flow.plan import FlowPlan
from agent_market.flow.staleness import decide, place_of
from agent_market.flow.steps import EACH_ROUND, FIRST, LAST
from agent_market.flow.steps.base import ONCE, Context, Step


def dry_table(plan: FlowPlan, wanted: Collection[str], *, force: bool = False) -> Table:
    """Return one line per step: made, skipped, or left out, and why.

    A step that depends on one to be made counts as to be made too: its inputs are not known yet.
    """
    table = Table(title=f"DRY: FLOW {plan.scope}", title_style="bold", pad_edge=False)
    for heading in ("Step", "Would be", "Because"):
        table.add_column(heading)
    folders: dict[tuple[str, int], Path] = {}
    remade: set[tuple[str, int]] = set()
    numbered: list[tuple[Step, int]] = [(step, ONCE) for step in FIRST]
    numbered += [(step, round_.number) for round_ in plan.rounds for step in EACH_ROUND]
    numbered += [(step, ONCE) for step in LAST]
    for step, number in numbered:
        place = place_of(step, number)
        if (reason := step.left_out(plan)) is not None:
            table.add_row(place, "left out", reason)
            continue
        after = [(name, n) for name in step.needs for n in (ONCE, number)]
        after += [(name, number - 1) for name in step.before]
        new = [
            name if n in (ONCE, number) else f"{name} of round {n}"
            for name, n in after
            if (name, n) in remade
        ]
        if new:
            known = step.name in wanted
            table.add_row(place, "made" if known else "not asked for", f"follows {', '.join(new)}")
            remade.update([(step.name, number)] if known else [])
            continue
        found = decide(
            step, Context(plan, number, ServedMarket(), folders), force=force and step.name in wanted
        )
        if found.archived is not None:
            folders[(step.name, number)] = found.archived
            table.add_row(place, "skipped", found.reason)
        elif step.name in wanted:
            remade.add((step.name, number))
            table.add_row(place, "made", found.reason)
        else:
            table.add_row(place, "not asked for", found.reason)
    return table
