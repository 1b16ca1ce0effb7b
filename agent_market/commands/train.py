"""`agent-market train`: learn a model, judge it on later candles, let freqtrade trade it, feed back
what came out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_market.utils.plain_text import echo_json

if TYPE_CHECKING:
    from agent_market.training.report import TrainingReport
    from agent_market.training.settings import TrainingSettings


def train(
    file: Annotated[
        Path | None, typer.Argument(help="Training file (YAML or JSON); see docs/how-to/training.md.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the file, dotted (tuning.trials=50).")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model, instead of the file's.")] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="freqtrade config file.")
    ] = None,
    userdir: Annotated[
        Path | None, typer.Option("--userdir", help="freqtrade's user_data directory.")
    ] = None,
    timerange: Annotated[str | None, typer.Option("--timerange", help="YYYYMMDD-YYYYMMDD.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of candles; served on this machine for the backtest.")
    ] = None,
    backtest: Annotated[
        bool, typer.Option("--backtest/--no-backtest", help="Whether freqtrade trades it.")
    ] = True,
    models: Annotated[bool, typer.Option("--models", help="List the models and their parameters.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report, as JSON.")] = False,
) -> None:
    """Train a model on the strategy's own features, and measure it on candles that it has not seen.

    From a training file, or from options: --model NAME --config FILE --timerange A-B [--userdir DIR --data
    FOLDER].
    """
    from agent_market.training.callbacks import RichProgress
    from agent_market.training.pipeline import TrainingPipeline
    from agent_market.utils.console import Console

    console = Console()
    if models:
        _list_models(console)
        return
    settings = _settings(file, changes or [], model, config or [], userdir, timerange, data, backtest)
    progress = RichProgress(Console(stderr=True))
    try:
        report = TrainingPipeline(settings, (progress,), progress.words).run()
    finally:
        progress.close()
    if as_json:
        echo_json(report.to_json().rstrip())
    else:
        _print(console, report, settings)


def _settings(
    file: Path | None,
    changes: list[str],
    model: str | None,
    config: list[Path],
    userdir: Path | None,
    timerange: str | None,
    data: Path | None,
    backtest: bool,
) -> TrainingSettings:
    from agent_market.config import parse_settings
    from agent_market.config.flow import changed_values, read_settings_file
    from agent_market.errors import ConfigError
    from agent_market.training.settings import WHERE, TrainingSettings, absolute

    given: dict[str, Any] = {
        "model": model,
        "config": [str(part.resolve()) for part in config] or None,
        "userdir": str(userdir.resolve()) if userdir else None,
        "timerange": timerange,
        "datadir": str(data.resolve()) if data else None,
        "sandbox": {"data": str(data.resolve())} if data else None,
        "backtest": None if backtest else False,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if file is None:
        missing = [key for key in ("model", "config", "timerange") if key not in given]
        if missing:
            options = ", ".join(f"--{key}" for key in missing)
            raise ConfigError(
                f"give a training file, or {options} as well (agent-market train --models lists models)"
            )
        raw: dict[str, Any] = {"name": model, "userdir": str(Path("user_data").resolve())}
        folder = Path.cwd()
    else:
        raw, folder = read_settings_file(file), file.resolve().parent
    raw = changed_values({**raw, **given}, changes)
    return absolute(parse_settings(TrainingSettings, raw, WHERE), folder)


def _list_models(console: Any) -> None:
    from rich.table import Table

    from agent_market.errors import ConfigError
    from agent_market.training.models.registry import adapter_type, model_names

    table = Table(title="Models")
    for heading in ("model", "learns", "goes on", "parameters and their defaults"):
        table.add_column(heading)
    for name in model_names():
        try:
            kind = adapter_type(name)
        except ConfigError as error:
            table.add_row(name, "–", "–", str(error))
            continue
        fields = kind.settings_type.model_fields
        shown = ", ".join(
            f"{key}={field.default}" for key, field in fields.items() if not _is_long(field.default)
        )
        table.add_row(name, ", ".join(kind.tasks), "yes" if kind.incremental else "no", shown)
    console.print(table)


def _is_long(default: Any) -> bool:
    return not isinstance(default, bool | int | float | str)


def _print(console: Any, report: TrainingReport, settings: TrainingSettings) -> None:
    from rich.table import Table

    from agent_market.reports.text import number, percent, signed_percent

    told, done = report.offline, report.backtest
    table = Table(title=f"{report.model} on {report.label}: {report.train_rows:,} rows learned from")
    for n, heading in enumerate(("measure", "value", "beside it")):
        table.add_column(heading, justify="right" if n == 1 else "left")
    rows: list[tuple[str, str, str]] = [("later rows", f"{told.rows:,}", "")]
    if told.r2 is not None:
        rows.append(("R2 out of sample", number(told.r2, 4), "0 = the mean of the training rows"))
    if told.rank_ic is not None:
        rows.append(("rank IC", number(told.rank_ic, 3), "0 = nothing told"))
    if told.hit_rate is not None:
        rows.append(("right side", percent(told.hit_rate), f"{percent(told.base_rate)} = always the same"))
    if told.slope is not None:
        rows.append(("calibration slope", number(told.slope), "1 = neither bold nor timid"))
    if told.brier is not None:
        rows.append(("Brier score", number(told.brier, 4), "0.25 = a coin"))
        rows.append(("calibration error", number(told.calibration_error, 3), "0 = confidence is earned"))
    if told.gain is not None:
        rows.append(
            (
                "earned after cost",
                signed_percent(told.gain),
                f"{signed_percent(told.base_gain)} = always long",
            )
        )
    if done is not None:
        held = "" if done.buy_and_hold is None else f"{signed_percent(done.buy_and_hold)} = buy and hold"
        rows.append(("profit, freqtrade", signed_percent(done.profit), held))
        rows.append(("Sharpe a year", number(done.sharpe), ""))
        rows.append(("trades won", percent(done.win_rate), f"of {done.trades}"))
        rows.append(("deepest fall", percent(done.max_drawdown), ""))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for note in report.notes:
        console.print(note, highlight=False)
    if report.trials > 1:
        console.print(f"best of {report.trials} trials: {dict(report.params)}", highlight=False)
    console.print(f"report and model: {settings.folder}", highlight=False, soft_wrap=True)
