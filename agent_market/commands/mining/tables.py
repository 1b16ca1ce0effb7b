"""What people see of a search: the table at its end, the list, and one factor in full."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_market.utils.plain_text import echo_json

if TYPE_CHECKING:
    from rich.table import Table

    from agent_market.factors.mining.api import MiningResult, Published
    from agent_market.factors.mining.files import FactorEntry, Scores

_COLUMNS = ("factor", "by", "weight", "rank IC", "t", "later IC", "later t", "adds later", "expression")


def show_result(result: MiningResult, published: Published | None, as_json: bool) -> None:
    """The pool with what it showed on both spans, the proposers, the verdict, and where it was written."""
    from agent_market.utils.console import Console

    if as_json:
        echo_json(_json(result))
        return
    console = Console()
    if result.pool:
        title = f"{result.pool_size} factors; joint IC {result.joint_in:+.4f}, later {result.joint_out:+.4f}"
        console.print(_table(result.pool, title))
    else:
        console.print("no factor was taken into the pool")
    for arm in result.arms:
        rest = f"; asked no more: {arm.retired}" if arm.retired else ""
        console.print(
            f"{arm.name:<8} {arm.accepted} of {arm.proposals} proposals taken in {arm.asked} batches{rest}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    console.print(
        f"{result.tried} candidates in this search, {result.trials} counted on these spans "
        f"({result.effective:.1f} effective), {len(result.failures)} failures kept",
        highlight=False,
        soft_wrap=True,
    )
    if result.verdict is not None:
        word = "promoted" if result.promoted else "not promoted"
        console.print(f"{word}: {result.verdict.reason}", highlight=False, soft_wrap=True, markup=False)
    for line in published.lines if published else ():
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"written: {result.file}", highlight=False, soft_wrap=True, markup=False)


def show_list(userdir: Path, as_json: bool) -> None:
    """The pool of the newest search, and which factors are in force."""
    from agent_market.errors import DataError
    from agent_market.factors.mining.files import EXPRESSIONS_FILE, read_expressions, read_features, utc
    from agent_market.utils.console import Console

    found = read_expressions(userdir)
    if found is None:
        raise DataError(f"there is no {EXPRESSIONS_FILE} in {userdir}; run `agent-market factors mine` first")
    if as_json:
        echo_json(found.model_dump_json(by_alias=True, indent=2))
        return
    console = Console()
    state = "promoted" if found.promoted else "not promoted"
    console.print(
        _table(found.factors, f"{len(found.factors)} factors, known at {utc(found.known_at)}, {state}")
    )
    held = read_features(userdir)
    if held is None or not held.factors:
        console.print("no factor is in force: FreqAI gets none", highlight=False)
        return
    word = "proven" if held.proven else "unproven"
    console.print(
        f"in force from {utc(held.known_at)} on ({word}): {', '.join(f.name for f in held.factors)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def show_factor(userdir: Path, name: str) -> None:
    """One factor with its provenance and both sets of scores."""
    from agent_market.errors import ConfigError
    from agent_market.factors.mining.files import read_expressions, utc
    from agent_market.utils.console import Console

    found = read_expressions(userdir)
    wanted = name.removeprefix("%-").removeprefix("factor_")
    held = found.factors if found else ()
    matches = [factor for factor in held if wanted and factor.hash.startswith(wanted)]
    if len(matches) != 1:
        known = ", ".join(factor.name for factor in held) or "none; run `agent-market factors mine`"
        raise ConfigError(f"{name!r} names {len(matches)} factors of the newest search; it has: {known}")
    (factor,) = matches
    console = Console()
    model = f" ({factor.model})" if factor.model else ""
    console.print(
        f"{factor.name}\n{factor.expression}\nproposed by {factor.proposer}{model}: {factor.rationale}\n"
        f"weight {factor.weight:+.3f}; adds {factor.contribution:+.4f} to the joint IC on the later span; "
        f"novelty {factor.novelty:.2f}\n"
        f"known at {utc(factor.known_at)}; trial {factor.trial.candidate} of study {factor.trial.study}\n",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print(_score_table(factor))


def _table(factors: tuple[FactorEntry, ...], title: str) -> Table:
    from rich.table import Table

    table = Table(title=title)
    for heading in _COLUMNS:
        is_text = heading in ("factor", "by", "expression")
        table.add_column(
            heading, justify="left" if is_text else "right", no_wrap=heading != "expression", overflow="fold"
        )
    for f in factors:
        table.add_row(
            f.name.removeprefix("factor_"), f.proposer, f"{f.weight:+.3f}", _signed(f.scores.rank_ic),
            _signed(f.scores.t, 1), _signed(f.later.rank_ic), _signed(f.later.t, 1),
            f"{f.contribution:+.4f}", f.expression,
        )  # fmt: skip
    return table


def _score_table(factor: FactorEntry) -> Table:
    from rich.table import Table

    table = Table(title="scores")
    table.add_column("score")
    for heading in ("searched", "later"):
        table.add_column(heading, justify="right")
    early, late = _lines(factor.scores), _lines(factor.later)
    for label in dict.fromkeys([*early, *late]):
        table.add_row(label, early.get(label, "-"), late.get(label, "-"))
    return table


def _lines(scores: Scores) -> dict[str, str]:
    """Scores by label, as text."""
    lines = {
        "rank IC": _signed(scores.rank_ic),
        "ICIR": _signed(scores.icir),
        "t": _signed(scores.t, 1),
        "times": str(scores.times),
        "coverage": f"{scores.coverage:.0%}",
        "time IC": _signed(scores.time_ic),
        "half-life, candles": "-" if scores.half_life is None else f"{scores.half_life:.0f}",
        "turnover": "-" if scores.turnover is None else f"{scores.turnover:.0%}",
        "gross return a period": _signed(scores.gross, 5),
        "net return a period": _signed(scores.net, 5),
        "Sharpe ratio, net": _signed(scores.sharpe, 2),
        "monotonicity": _signed(scores.monotonicity, 2),
        "closest in the pool": f"{scores.closest_in_pool:.2f}",
    }
    for prefix, parts in (
        ("rank IC at horizon", scores.decay), ("rank IC in", scores.by_year), ("rank IC in", scores.by_regime)
    ):  # fmt: skip
        lines |= {f"{prefix} {label}": _signed(value) for label, value in parts.items()}
    return lines


def _signed(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:+.{digits}f}"


def _json(result: MiningResult) -> str:
    import math
    from dataclasses import fields

    import orjson

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        dump = getattr(value, "model_dump", None)
        return dump(mode="json") if dump else value

    parts = {field.name: plain(getattr(result, field.name)) for field in fields(result)}
    return orjson.dumps(parts, option=orjson.OPT_INDENT_2, default=str).decode()
