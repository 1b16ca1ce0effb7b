"""Feedback of a round for the next: a summary for people and programs, and lines for the prompts.

The lines carry no pair, no date and no price, for a model must not recognise the moment; and no text of a
model, so nothing that a model wrote can become an instruction of the next round.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from freqtrade.exchange import timeframe_to_seconds
from pydantic import ValidationError

from agent_market.agents.prompts.feedback import LONGEST_ENTRY, FeedbackEntry
from agent_market.errors import FlowError
from agent_market.reports.comparison import Comparison, Contender
from agent_market.reports.content import ReportContent
from agent_market.reports.scorecards import RegimeRecord, Scorecard, regime_records, scorecards
from agent_market.reports.text import number, percent, signed, signed_percent
from agent_market.runs.parts import BASELINES
from agent_market.utils.durable import replace_text

SCHEMA = "agent-market/summary/1"
SUMMARY_FILE = "latest_backtest_summary.json"
FEEDBACK_FILE = "feedback.jsonl"
MALFORMED_FILE = "feedback.malformed.jsonl"
MIN_OUTCOMES = 5
MOST_REGIMES = 4


@dataclass(frozen=True, slots=True)
class RoundEntry:
    """One line of `feedback.jsonl`; `scope` names the flow that wrote it."""

    known_at: datetime
    round: int
    lines: tuple[str, ...]
    scope: str

    def to_json(self) -> str:
        fields = {**asdict(self), "known_at": self.known_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return json.dumps(fields, ensure_ascii=False)


def known_at(content: ReportContent) -> datetime:
    """When a round's results were all known: the close of its last candle."""
    first = content.run.first
    return first.end + timedelta(seconds=timeframe_to_seconds(first.timeframe))


def summary(content: ReportContent, scope: str, round_number: int) -> dict[str, Any]:
    """A round as plain values: fractions, not per cent; what is not defined is null."""
    first, comparison, decision = content.run.first, content.comparison, content.settings.decision
    return {
        "schema": SCHEMA,
        "scope": scope,
        "round": round_number,
        "known_at": known_at(content).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "span": {"start": first.start.isoformat(), "end": first.end.isoformat()},
        "pairs": list(first.pairs),
        "timeframe": first.timeframe,
        "model": content.settings.llm.model,
        "warnings": list(content.warnings),
        "verdict": list(comparison.verdict),
        "missing": list(comparison.missing),
        "stake_currency": comparison.stake_currency,
        "contenders": [_contender(c) for c in comparison.contenders],
        "differences": [
            {"baseline": d.part, "label": d.baseline, "finding": d.finding, **asdict(d.interval)}
            for d in comparison.differences
        ],
        "decisions": len(content.episodes),
        "agents": [asdict(card) for card in scorecards(content.episodes, decision)],
        "regimes": [asdict(record) for record in regime_records(content.episodes, decision)],
    }


def feedback_lines(content: ReportContent) -> tuple[str, ...]:
    """Return the lines about this round for the next round's prompts; equal results give equal lines."""
    decision = content.settings.decision
    lines = [*_result_lines(content.comparison)]
    lines += [line for card in scorecards(content.episodes, decision) if (line := _agent_line(card))]
    seen = [r for r in regime_records(content.episodes, decision) if r.outcomes >= MIN_OUTCOMES]
    lines += [_regime_line(record) for record in seen[:MOST_REGIMES]]
    clamped = sum(bool(episode.verdict.clamps) for episode in content.episodes)
    if clamped:
        lines.append(f"Risk limits reduced {clamped} of {len(content.episodes)} decisions.")
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class FeedbackFile:
    """`feedback.jsonl` as it is: the lines that are entries, the others with their number and reason, and
    `problems`, a sentence for people on each of those and on a file that is empty."""

    good: tuple[str, ...] = ()
    bad: tuple[tuple[int, str, str], ...] = ()
    problems: tuple[str, ...] = ()


def append_feedback(folder: Path, line: str) -> tuple[str, ...]:
    """Add an entry (`RoundEntry.to_json`) to `feedback.jsonl` in one step, keeping every earlier line.

    An entry that stands there already is not added again, so that the same flow run twice changes nothing.
    A line that is not an entry is moved to `feedback.malformed.jsonl`, not lost.

    :return: a report of each line that was moved; empty when all was well.
    :raises FlowError: the file cannot be read.
    """
    file = folder / FEEDBACK_FILE
    found = read_feedback(folder)
    if found.bad:
        aside = folder / MALFORMED_FILE
        earlier = aside.read_text(encoding="utf-8", errors="surrogateescape") if aside.exists() else ""
        replace_text(aside, earlier + "".join(f"{text}\n" for _, text, _ in found.bad))
    if found.bad or line not in found.good:
        replace_text(file, "".join(f"{text}\n" for text in _with(found.good, line)))
    return tuple(
        f"{file}:{n} is not a feedback entry ({why}); moved to {MALFORMED_FILE}" for n, _, why in found.bad
    )


def visible_feedback(folder: Path, scope: str, round_number: int) -> str:
    """The part of `feedback.jsonl` that a round may be shown, as the text of a file of the same kind.

    Entries of this flow's earlier rounds, and those that name no flow (written by people). When each may be
    seen is for the agents to enforce, decision by decision, from `known_at`.
    """
    shown = []
    for text in read_feedback(folder).good:
        fields = json.loads(text)
        owner = fields.get("scope")
        if owner is None or (owner == scope and fields["round"] < round_number):
            shown.append(text)
    return "".join(f"{text}\n" for text in shown)


def read_feedback(folder: Path) -> FeedbackFile:
    """Read `feedback.jsonl`; an absent file gives no entries and no problems.

    :raises FlowError: the file exists but cannot be read.
    """
    file = folder / FEEDBACK_FILE
    if not file.exists():
        return FeedbackFile()
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise FlowError(f"{file} cannot be read ({error.strerror}); repair or delete it") from error
    good: list[str] = []
    bad: list[tuple[int, str, str]] = []
    for n, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        packed = line.encode("utf-8", errors="surrogateescape")
        if len(packed) > LONGEST_ENTRY:
            bad.append((n, line, f"it has {len(packed)} bytes, and {LONGEST_ENTRY} are allowed"))
            continue
        try:
            FeedbackEntry.model_validate_json(packed)
        except ValidationError as error:
            bad.append((n, line, error.errors()[0]["msg"]))
        else:
            good.append(line)
    problems = [f"{file}:{n} is not a feedback entry ({why}); prompts leave it out" for n, _, why in bad]
    if not good and not bad:
        problems.append(f"{file} is empty: prompts carry no feedback")
    return FeedbackFile(tuple(good), tuple(bad), tuple(problems))


def _with(lines: Iterable[str], line: str) -> list[str]:
    kept = list(lines)
    return kept if line in kept else [*kept, line]


def _contender(contender: Contender) -> dict[str, Any]:
    return {
        "part": contender.part,
        "label": contender.label,
        **asdict(contender.performance),
        "trades": contender.trades,
        "win_rate": contender.win_rate,
        "costs": contender.costs,
        "exposure": contender.exposure,
    }


def _result_lines(comparison: Comparison) -> list[str]:
    agents = comparison.of("agents")
    if agents is None:
        return []
    done = agents.performance
    won = "" if agents.win_rate is None else f", {percent(agents.win_rate, 0)} of them won"
    lines = [
        f"The committee {_gained(done.total_return)} after costs, with {agents.trades} trades{won}; "
        f"its deepest fall from a high was {percent(done.max_drawdown)}."
    ]
    others = [
        f"{c.label} {signed_percent(c.performance.total_return)}"
        for info in BASELINES
        if (c := comparison.of(info.part)) is not None
    ]
    if others:
        lines.append(f"Over the same time: {'; '.join(others)}.")
    return lines


def _gained(total_return: float) -> str:
    """Gains and losses in words of their own: a reader of prompts goes by words."""
    if abs(total_return) < 0.0005:
        return "came out even"
    return f"{'gained' if total_return > 0 else 'lost'} {percent(abs(total_return))}"


def _agent_line(card: Scorecard) -> str | None:
    if card.views == 0 or card.mean_reward is None:
        return None
    word = "gained" if card.mean_reward > 0 else "lost"
    side = "" if card.hit_rate is None else f", on the right side in {percent(card.hit_rate, 0)} of its calls"
    return (
        f"Agent {card.agent} {word}: mean reward {signed(number(card.mean_reward, 3))} "
        f"over {card.views} opinions{side}."
    )


def _regime_line(record: RegimeRecord) -> str:
    return (
        f"In regime {record.regime} the market then moved "
        f"{signed_percent(record.mean_market_return, 2)} on average; mean depth "
        f"{signed(number(record.mean_depth, 1))}, mean reward {signed(number(record.mean_reward, 3))} "
        f"({record.outcomes} decisions)."
    )
