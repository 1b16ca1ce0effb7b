"""Run a flow: make each step atomically, or skip it because its inputs did not change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from agent_market.errors import FlowError
from agent_market.flow.archive import close_run, open_run
from agent_market.flow.files import put_in_place
from agent_market.flow.lock import only_flow
from agent_market.flow.market import ServedMarket, market_of
from agent_market.flow.parallel import workers
from agent_market.flow.plan import FlowPlan
from agent_market.flow.progress import Screen
from agent_market.flow.record import StepRecord, products_of, write_record
from agent_market.flow.staleness import FIRST_TIME, Decision, decide, place_of
from agent_market.flow.steps import EACH_ROUND, FIRST, LAST
from agent_market.flow.steps.base import ONCE, Context, Say, Step
from agent_market.utils.durable import replace_text

ROUNDS = "rounds.json"


@dataclass(frozen=True, slots=True)
class FlowDone:
    """A finished run: `made` and `skipped` name steps, `rounds` holds the figures of each round."""

    folder: Path
    digest: str | None
    made: tuple[str, ...]
    skipped: tuple[str, ...]
    rounds: tuple[Mapping[str, Any], ...]
    folders: Mapping[tuple[str, int], Path]


def run_flow(plan: FlowPlan, wanted: Collection[str], screen: Screen, *, force: bool = False) -> FlowDone:
    """Run the wanted steps of every round, under the lock of the user_data directory.

    :param wanted: names of the steps to make where their inputs changed.
    :param screen: shows and logs the progress.
    :param force: rerun the wanted steps although nothing changed.
    :raises FlowError: a step failed; earlier steps are kept, and `--resume` continues after them.
    """
    with only_flow(plan.runs, plan.run_id) as left:
        if left is not None and left != plan.run_id:
            screen.note(f"Run {left} ended without cleaning up; its lock is taken over.")
        info = open_run(plan, tuple(wanted))
        run = _Run(plan, frozenset(wanted), screen, force)
        try:
            with workers(plan.settings.parallel), market_of(plan) as market:
                run.all_steps(market)
        except BaseException as error:
            words = str(error) or type(error).__name__
            close_run(plan.folder, info, words, {})
            screen.log(f"failed: {words}")
            raise
        rounds = run.figures()
        replace_text(plan.folder / ROUNDS, json.dumps(rounds, indent=2) + "\n")
        closed = close_run(plan.folder, info, None, run.digests)
    return FlowDone(
        plan.folder, closed.digest, tuple(run.made), tuple(run.skipped), tuple(rounds), run.folders
    )


class _Run:
    """Walk through the steps of one run and keep the folder of each."""

    def __init__(self, plan: FlowPlan, wanted: frozenset[str], screen: Screen, force: bool) -> None:
        self.plan, self.wanted, self.screen, self.force = plan, wanted, screen, force
        self.folders: dict[tuple[str, int], Path] = {}
        self.digests: dict[str, str] = {}
        self.made: list[str] = []
        self.skipped: list[str] = []

    def all_steps(self, market: ServedMarket) -> None:
        """Run the first steps, then each round, then the last steps."""
        for step in FIRST:
            self._step(step, ONCE, market)
        for round_ in self.plan.rounds:
            if self.wanted & {step.name for step in EACH_ROUND}:
                span = round_.span
                self.screen.heading(
                    f"Round {round_.number} of {len(self.plan.rounds)}: {span.start} to {span.end}"
                )
            for step in EACH_ROUND:
                self._step(step, round_.number, market)
        for step in LAST:
            self._step(step, ONCE, market)

    def figures(self) -> list[dict[str, Any]]:
        """Return one row of figures per round."""
        rows = []
        for round_ in self.plan.rounds:
            row: dict[str, Any] = {"round": round_.number}
            for step in EACH_ROUND:
                folder = self.folders.get((step.name, round_.number))
                row |= step.figures(folder) if folder is not None else {}
            rows.append(row)
        return rows

    def _step(self, step: Step, number: int, market: ServedMarket) -> None:
        if step.left_out(self.plan) is not None:
            return
        at = Context(self.plan, number, market, self.folders)
        is_wanted = step.name in self.wanted
        if not self._has_needs(step, at, is_wanted):
            return
        decision = decide(step, at, force=self.force and is_wanted)
        if decision.archived is None and not is_wanted:
            return
        with self.screen.step(step.name) as say:
            if decision.archived is not None:
                folder, record = self._kept(step, at, decision)
                say(f"skipped, {decision.reason}" + (f": {record.words}" if record.words else ""))
            else:
                self.screen.log(f"{place_of(step, number)}: {decision.reason}")
                folder, record = self._made(step, at, decision, say)
                why = "" if decision.reason == FIRST_TIME else f" ({decision.reason})"
                say(record.words + why)
            problems: list[str] = []
            step.publish(at, folder, problems.append)
        for problem in problems:
            self.screen.warn(problem)
        place = place_of(step, number)
        (self.made if decision.archived is None else self.skipped).append(place)
        self.folders[(step.name, number)] = folder
        self.digests[place] = record.digest

    def _has_needs(self, step: Step, at: Context, is_wanted: bool) -> bool:
        """Whether the steps that it reads are finished; steps that are not in the flow do not count.

        :raises FlowError: the step is wanted and an input is missing.
        """
        known = {one.name: one for one in (*FIRST, *EACH_ROUND, *LAST)}
        for name in step.needs:
            if known[name].left_out(self.plan) is not None:
                continue
            number = ONCE if known[name].once else at.number
            if (name, number) in self.folders:
                continue
            if is_wanted:
                raise FlowError(
                    f"{place_of(step, at.number)} needs `{place_of(known[name], number)}`, and no run in "
                    f"{self.plan.runs} has one with the inputs of this flow ({self.plan.scope}); "
                    f"run the step `{name}` as well"
                )
            return False
        return True

    def _kept(self, step: Step, at: Context, decision: Decision) -> tuple[Path, StepRecord]:
        """Return the archived products, copied into this run where another run made them."""
        source, record = decision.archived, decision.record
        assert source is not None
        assert record is not None
        final = self.plan.folder / place_of(step, at.number)
        if source != final:
            working = self._working(final)
            shutil.copytree(source, working)
            put_in_place(working, final)
        return final, record

    def _made(self, step: Step, at: Context, decision: Decision, say: Say) -> tuple[Path, StepRecord]:
        final = self.plan.folder / place_of(step, at.number)
        working = self._working(final)
        working.mkdir()
        started, words = monotonic(), ""

        def keep_newest(text: str) -> None:
            nonlocal words
            words = text
            say(text)

        step.make(at, working, keep_newest)
        products = products_of(working, step.products)
        absent = [name for name, digest in products.items() if digest == "absent"]
        if absent:
            raise FlowError(f"{step.name}: it ended without an error but did not write {', '.join(absent)}")
        record = StepRecord(
            step=step.name,
            round=at.number,
            run=self.plan.run_id,
            inputs=decision.inputs,
            products=products,
            seconds=round(monotonic() - started, 1),
            words=words,
        )
        write_record(working, record)
        put_in_place(working, final)
        return final, record

    def _working(self, final: Path) -> Path:
        """Return an absent working folder for a step, removing what a killed or failed attempt left."""
        working = final.with_name(f"{final.name}.working")
        shutil.rmtree(working, ignore_errors=True)
        working.parent.mkdir(parents=True, exist_ok=True)
        return working
