"""The same table as one self-contained page, in the style of the backtest report."""

from __future__ import annotations

import os
from pathlib import Path

from agent_market.errors import ConfigError
from agent_market.stress.suite import Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render_page(report: Report) -> str:
    """One string of HTML: no script, nothing loaded, every text escaped.

    :raises ConfigError: the extra with jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415 - of the extra reports
        from markupsafe import Markup  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the page needs the package {error.name}; install agent-market[sandbox,reports]"
        ) from error
    import agent_market  # noqa: PLC0415

    templates = Path(agent_market.__file__).parent / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates / "stress"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [row for finding in report.findings for row in finding.rows]
    return environment.get_template("stress.html.j2").render(
        report=report,
        held=sum(row.held for row in rows),
        total=len(rows),
        policy=POLICY,
        css=Markup((templates / "report" / "report.css").read_text(encoding="utf-8")),
    )


def write_page(report: Report, path: Path) -> Path:
    """Write the page in one step: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(render_page(report), encoding="utf-8")
    temporary.replace(path)
    return path
