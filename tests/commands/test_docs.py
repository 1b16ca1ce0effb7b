"""The settings page says what the settings types say, and the committed one is current."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.commands.docs import library_page, settings_page
from agent_market.config import AgentMarketSettings
from agent_market.features.features_page import features_page


def test_the_committed_page_is_current(repository: Path) -> None:
    committed = (repository / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert committed == settings_page(), (
        "run `agent-market docs settings` and commit docs/reference/configuration.md"
    )


def test_the_committed_features_page_is_current(repository: Path) -> None:
    assert (repository / "docs" / "reference" / "features.md").read_text(encoding="utf-8") == features_page()


def test_the_committed_library_page_is_current(repository: Path) -> None:
    committed = (repository / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
    assert committed == library_page(), "run `agent-market docs library` and commit docs/reference/library.md"


def leaves(kind: Any) -> Iterator[str]:
    """Names of all settings that hold a value, however deep."""
    for name, field in kind.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from leaves(field.annotation)
        else:
            yield name


def test_every_setting_has_a_row_with_a_sentence() -> None:
    page = settings_page()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert all(row[-1].rstrip(" |") for row in rows)
    keys = {row[0].strip("|` ") for row in rows}
    assert set(leaves(AgentMarketSettings)) <= keys


def test_a_row_carries_type_default_range_and_sentence() -> None:
    page = settings_page()
    assert (
        "| `temperature` | number | `0.0` | >= 0.0, <= 2.0 | "
        "Sampling temperature. 0 is the most repeatable that an endpoint offers. |"
    ) in page
    assert '| `mode` | `"live"` or `"record"` or `"replay"` | `"record"` |' in page
    assert "| `scope` | text or null | `null` |" in page
    assert "## `agent_market.perception.context[]`" in page
    assert "| `path` | path | required |" in page


def test_check_fails_on_an_old_page_and_leaves_it(tmp_path: Path) -> None:
    page = tmp_path / "configuration.md"
    runner = CliRunner()
    assert runner.invoke(app, ["docs", "settings", "-o", str(page)]).exit_code == 0
    assert runner.invoke(app, ["docs", "settings", "-o", str(page), "--check"]).exit_code == 0
    page.write_text("old")
    assert runner.invoke(app, ["docs", "settings", "-o", str(page), "--check"]).exit_code != 0
    assert page.read_text() == "old"
