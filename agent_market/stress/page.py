"""The same table as one self-contained page, in the style of the backtest report."""

from __future__ import annotations

from pathlib import Path

from agent_market.errors import ConfigError
from agent_market.stress.suite import Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render_page(report: Report) -> str:
    """One string of HTML: no script, nothing loaded, every text escaped.

    :raises ConfigError: the extra with jinja2 is not installed.
    """
    try:
        from markupsafe import Markup  # noqa: PLC0415 - of the extra reports

        from agent_market.reports.pages import TEMPLATES, template_environment  # noqa: PLC0415 - it too
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the page needs the package {error.name}; install agent-market[sandbox,reports]"
        ) from error
    environment = template_environment("stress")
    rows = [row for finding in report.findings for row in finding.rows]
    return environment.get_template("stress.html.j2").render(
        report=report,
        held=sum(row.held for row in rows),
        total=len(rows),
        policy=POLICY,
        css=Markup((TEMPLATES / "report" / "report.css").read_text(encoding="utf-8")),
    )


def write_page(report: Report, path: Path) -> Path:
    """Write the page in one step: a reader never sees half of it."""
    html = render_page(report)
    from agent_market.reports.pages import put_page  # noqa: PLC0415 - of the extra reports

    return put_page(html, path)
