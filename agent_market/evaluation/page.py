"""The report as Markdown tables, as JSON, and in its place in docs/results/evaluation.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from agent_market.decision.credit import Credit
from agent_market.errors import ConfigError
from agent_market.evaluation.context import TWO_STAGE, WEIGHT_NET
from agent_market.evaluation.placebo import Placebo
from agent_market.evaluation.plan import MAIN
from agent_market.evaluation.plots import picture
from agent_market.evaluation.run import Report, Result
from agent_market.evaluation.statistics import Estimate, Row, YearResult
from agent_market.evaluation.textbook import Row as TextbookRow
from agent_market.evaluation.verdicts import verdicts

BEGIN, END = "<!-- results: written by agent-market evaluate -->", "<!-- end of results -->"
NETS = (WEIGHT_NET, f"{WEIGHT_NET} on hedge + cash", f"{WEIGHT_NET}, gated", TWO_STAGE, f"{TWO_STAGE}, gated")
SHOWN = ("buy and hold", "uniform", "hedge", "AdaHedge + cash", "LightGBM stacking", WEIGHT_NET, TWO_STAGE)
"""Contenders in the picture."""


def main_result(report: Report) -> Result:
    """The scenario that the picture and the terminal show."""
    return next(one for one in report.scenarios if one.scenario.name == MAIN)


def results(report: Report) -> str:
    """Everything between the markers of the page."""
    plan = report.plan
    parts = [
        f"{len(plan.pairs)} pairs ({', '.join(plan.pairs)}), {plan.timeframe} candles, a decision every "
        f"{plan.every} of them; judged from {report.first:%Y-%m-%d} to {report.last:%Y-%m-%d} on "
        f"{report.decisions:,} decisions; {plan.seeds} seeds. Plan `{plan.key[:12]}`.",
        f"![What some contenders made, {MAIN}](evaluation.svg)",
    ]
    for one in report.scenarios:
        parts += [f"### {one.scenario.name}", _table(one), _doubt(one)]
    parts += [f"### Textbook rows, {MAIN}", TEXTBOOK_NOTE]
    parts += [_markdown(TEXTBOOK_HEADINGS, map(textbook_cells, report.textbook[MAIN]))]
    parts += [
        "### Year by year",
        *(_years(one) for one in report.scenarios if one.scenario.name in ("0 bp", MAIN)),
    ]
    parts += ["### What was wanted of the nets", _wanted(report)]
    parts += ["### Who earned what", _credits(report.credits), "### Worlds with nothing to find"]
    parts += [_placebos(report.placebos)]
    if report.holdout:
        parts += ["### The sealed holdout, read once"]
        for one in report.holdout:
            first, last = (np.datetime64(int(one.times[i]), "s").astype("datetime64[D]") for i in (0, -1))
            parts += [f"{one.scenario.name}, {first} to {last}", _table(one), _doubt(one)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_page(report: Report, page: Path) -> None:
    """Renew the results in the page, and the picture beside it.

    :raises ConfigError: the page is absent or has no place for them.
    """
    if not page.is_file():
        raise ConfigError(f"--page {page} is no file; run this in the root of the repository")
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{page} has no lines `{BEGIN}` and `{END}` to write the results between")
    one = main_result(report)
    title = f"Sum of returns after {MAIN}, scaled to 10% volatility a year"
    svg = picture(title, one.times, one.paths, [name for name in SHOWN if name in one.paths])
    page.with_suffix(".svg").write_text(svg, encoding="utf-8")
    page.write_text(f"{before}{BEGIN}\n\n{results(report)}\n{END}{after}", encoding="utf-8")


def as_json(report: Report) -> bytes:
    """The whole report, without the paths."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist()
        if hasattr(value, "model_dump"):
            return value.model_dump()
        raise TypeError(f"{type(value).__name__} is no JSON")

    def thin(one: Result) -> dict[str, Any]:
        return {"scenario": one.scenario, "rows": one.rows, "doubt": one.doubt}

    content = {
        "plan": report.plan,
        "first": report.first,
        "last": report.last,
        "decisions": report.decisions,
        "scenarios": [thin(one) for one in report.scenarios],
        "credits": report.credits,
        "placebos": report.placebos,
        "holdout": [thin(one) for one in report.holdout],
        "textbook": {
            name: [{key: value for key, value in asdict(row).items() if key != "daily"} for row in rows]
            for name, rows in report.textbook.items()
        },
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(content, default=plain, option=options)


HEADINGS = (
    "",
    "total %",
    "turns a year",
    "% a year",
    "95%",
    "± seeds",
    "p",
    "over hedge",
    "95%",
    "p",
    "over hold",
    "95%",
    "p",
    "max fall %",
    "DSR",
    "passed",
)


def cells(row: Row) -> tuple[str, ...]:
    """One row as text; the columns of `HEADINGS`."""
    return (
        row.name,
        _percent(row.total),
        f"{row.turnover:.0f}",
        _percent(row.rate),
        _interval(row.over_cash.low, row.over_cash.high),
        f"{100 * row.spread:.1f}" if row.spread else "",
        f"{row.over_cash.p:.2f}",
        *_lead(row.over_hedge),
        *_lead(row.over_hold),
        f"{100 * row.drawdown:.0f}",
        f"{row.deflated:.2f}",
        "" if row.passed is None else f"{row.passed:.0%}",
    )


SHORT_HEADINGS = ("per cent", "total", "a year", "95%", "lead", "95%", "fall", "DSR")


def short_cells(row: Row) -> tuple[str, ...]:
    """One row for a terminal of 80 columns; the columns of `SHORT_HEADINGS`."""
    return (
        row.name,
        _percent(row.total),
        _percent(row.rate),
        _interval(row.over_cash.low, row.over_cash.high),
        *_lead(row.over_hedge)[:2],
        f"{100 * row.drawdown:.0f}",
        f"{row.deflated:.2f}",
    )


TEXTBOOK_NOTE = "As they came, of the whole capital, compounded; nothing is scaled to a volatility."
TEXTBOOK_HEADINGS = ("", "Sharpe", "max fall %", "total %", "capital used %", "turns a year")


def textbook_cells(row: TextbookRow) -> tuple[str, ...]:
    """One textbook row as text; the columns of `TEXTBOOK_HEADINGS`. An undefined Sharpe ratio is empty."""
    return (
        row.name,
        "" if np.isnan(row.sharpe) else f"{row.sharpe:.2f}",
        _percent(row.drawdown),
        _percent(row.total),
        _percent(row.capital),
        f"{row.turnover:.0f}",
    )


def _lead(lead: Estimate) -> tuple[str, str, str]:
    return _percent(lead.value), _interval(lead.low, lead.high), f"{lead.p:.2f}"


def _table(one: Result) -> str:
    return _markdown(HEADINGS, (cells(row) for row in one.rows))


def _doubt(one: Result) -> str:
    d = one.doubt
    return (
        f"SPA: p = {d.spa_hedge:.2f} that nothing is better than hedge, p = {d.spa_cash:.2f} that nothing is "
        f"better than cash, p = {d.spa_hold:.2f} that nothing is better than buy and hold. "
        f"PBO {'unknown' if d.pbo is None else f'{d.pbo:.0%}'}. {d.trials} trials in the ledger, "
        f"worth {d.effective:.1f} independent ones."
    )


def _years(one: Result) -> str:
    years = sorted({year for row in one.rows for year in row.years})
    body = ((row.name, *(_year(row.years[y]) if y in row.years else "" for y in years)) for row in one.rows)
    return f"{one.scenario.name}\n\n" + _markdown(("", *map(str, years)), body)


def _wanted(report: Report) -> str:
    body = []
    for one in report.scenarios:
        kinds = {row.name: row.kind for row in one.rows}
        for net in NETS:
            years = verdicts(net, one.paths, kinds, one.times)
            body.append(
                (
                    one.scenario.name,
                    net,
                    _count(v.keeps_up for v in years),
                    _count(v.above_equal for v in years),
                    _count(v.not_below_cash for v in years),
                    "; ".join(f"{v.year} {v.best} {_year(v.over_best)}" for v in years),
                )
            )
    headings = (
        "",
        "",
        "keeps up with the best baseline",
        "above equal weights",
        "not below cash",
        "lead over the best baseline of the year",
    )
    return _markdown(headings, body)


def _credits(credits: Sequence[Credit]) -> str:
    regimes = [name for name in credits[0].by_regime if any(c.by_regime[name] for c in credits)]
    body = (
        (
            c.agent,
            _percent(c.leave_one_out),
            _percent(c.shapley),
            *(_percent(c.by_regime[r]) for r in regimes),
        )
        for c in credits
    )
    return _markdown(("", "leave-one-out %", "Shapley %", *regimes), body)


def _placebos(placebos: Sequence[Placebo]) -> str:
    body = (
        (p.world, str(p.draw), f"{p.found} of {p.tried}", f"{p.best:.2f}", f"{p.spa:.2f}") for p in placebos
    )
    return _markdown(("world", "draw", "above cash, p <= 0.05", "best Sharpe", "SPA p over cash"), body)


def _markdown(headings: Iterable[str], body: Iterable[Sequence[str]]) -> str:
    names = list(headings)
    lines = [f"| {' | '.join(names)} |", "|---" + "|---:" * (len(names) - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in body)])


def _percent(value: float) -> str:
    return f"{100 * value + 0.0:.1f}"


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.0f}..{100 * high:.0f}"


def _year(result: YearResult) -> str:
    return f"{_percent(result.value)} [{_interval(result.low, result.high)}]"


def _count(values: Iterable[bool]) -> str:
    marks = list(values)
    return f"{sum(marks)} of {len(marks)}"
