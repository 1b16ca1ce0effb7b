"""Running a flow: market up, candles down, then round after round, each step shown and archived."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import yaml
from rich.console import Console
from rich.text import Text

from agent_market.flow import steps
from agent_market.flow.feedback import write_atomically
from agent_market.flow.market import ServedMarket, market_of
from agent_market.flow.plan import Plan, Round
from agent_market.flow.steps import Progress, Step
from agent_market.reports.comparison import Comparison
from agent_market.reports.console import print_comparison
from agent_market.reports.result import load_freqtrade_table
from agent_market.store.episode_json import digest_of


@dataclass(frozen=True, slots=True)
class RoundDone:
    """What a round left behind; None where its step was left out."""

    number: int
    result: Path | None
    comparison: Comparison | None
    feedback: tuple[str, ...]
    report: Path | None


def run_flow(plan: Plan, wanted: Collection[Step], console: Console) -> tuple[RoundDone, ...]:
    """Run the wanted steps of every round.

    :raises FlowError: a step failed; what the steps before it wrote stays.
    """
    _archive(plan)
    with market_of(plan) as market:
        if "download" in wanted:
            with _shown(console, "download") as progress:
                done = steps.download(plan, market, progress)
                what = "downloaded" if done.fetched else "are there already"
                progress(f"{done.series} series of candles {what}")
        return tuple(_run_round(plan, round_, market, wanted, console) for round_ in plan.rounds)


def _run_round(
    plan: Plan, round_: Round, market: ServedMarket, wanted: Collection[Step], console: Console
) -> RoundDone:
    nothing = RoundDone(round_.number, None, None, (), None)
    if not {"backtest", "summary", "feedback", "report"} & set(wanted):
        return nothing
    span = round_.span
    console.print(
        Text(f"Round {round_.number} of {len(plan.rounds)}: {span.start} to {span.end}", style="bold")
    )
    if "backtest" in wanted:
        write_atomically(round_.folder / "scope.txt", plan.scope + "\n")
        with _shown(console, "train and backtest") as progress:
            backtested = steps.backtest(plan, round_, market, progress)
            progress(f"result {backtested.result.name}, the model was asked {backtested.model_calls} times")
    else:
        backtested = steps.earlier_result(plan, round_)
    if not {"summary", "feedback", "report"} & set(wanted):
        return RoundDone(round_.number, backtested.result, None, (), None)
    with _shown(console, "summary") as progress:
        content = steps.summarise(plan, round_, backtested)
        progress(f"{len(content.episodes)} decisions, sha256 {digest_of(content.episodes)[:16]}")
    feedback: tuple[str, ...] = ()
    if "feedback" in wanted:
        with _shown(console, "feedback") as progress:
            fed_back = steps.feed_back(plan, round_, content)
            feedback = fed_back.lines
            progress(f"{len(feedback)} lines for the rounds to come")
        for line in fed_back.moved:
            console.print(Text(line, style="yellow"))
    written = None
    if "report" in wanted:
        with _shown(console, "report") as progress:
            written = steps.report(round_, content)
            progress(str(written))
    console.print()
    console.print(Text(load_freqtrade_table(backtested.result)), soft_wrap=True)
    print_comparison(console, content.comparison, content.warnings)
    console.print()
    return RoundDone(round_.number, backtested.result, content.comparison, feedback, written)


@contextmanager
def _shown(console: Console, name: str) -> Iterator[Progress]:
    """Show a step: a spinner with the tool's newest words while it runs, one line when it is done."""
    started = monotonic()
    newest = ""
    with console.status(Text(name)) as status:

        def progress(words: str) -> None:
            nonlocal newest
            newest = words
            line = Text(f"{name}  {words}")
            line.truncate(max(console.width - 4, 20), overflow="ellipsis")
            status.update(line)

        yield progress
    console.print(Text(f"  {name:<18} {monotonic() - started:6.1f} s  {newest}"), soft_wrap=True)


def _archive(plan: Plan) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_dump(plan.settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_atomically(plan.folder / "flow.yaml", settings)
