"""`agent-market factors`, and the reference page it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import ConfigError, DataError, ExpressionError
from agent_market.factors.document import END, START, with_tables
from agent_market.factors.operators import OPERATORS

EXPRESSION = "zscore(volume, 60) - at('4h', ts_return(close, 3))"


def test_explain_prints_tree_warm_up_cost_and_meaning() -> None:
    result = CliRunner().invoke(app, ["factors", "explain", EXPRESSION], catch_exceptions=False)
    assert result.exit_code == 0
    assert "  at(4h): ratio\n    ts_return(3): ratio\n      close: price" in result.output
    assert "canonical  neg(sub(at('4h', ts_return(close, 3)), zscore(volume, 60)))" in result.output
    assert "59 candles of 60 minutes (2.5 days)" in result.output
    assert "ns per value" in result.output
    assert "zscore(x, window): (x - ts_mean) / ts_std" in result.output


def test_explain_says_what_is_wrong_and_where() -> None:
    with pytest.raises(ExpressionError, match=r"at character 9 .*give both sides one unit"):
        CliRunner().invoke(app, ["factors", "explain", "close + 1"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="--timeframe 7m"):
        CliRunner().invoke(app, ["factors", "explain", "close / open", "-t", "7m"], catch_exceptions=False)
    with pytest.raises(DataError, match="multiple"):
        CliRunner().invoke(app, ["factors", "explain", EXPRESSION, "-t", "1d"], catch_exceptions=False)


def test_the_operator_tables_in_the_docs_are_current(repository: Path) -> None:
    page = (repository / "docs" / "concepts" / "factors.md").read_text(encoding="utf-8")
    assert with_tables(page) == page, "run `agent-market factors docs` and commit docs/concepts/factors.md"
    assert all(f"| `{operator.signature}` |" in page for operator in OPERATORS.values())


def test_docs_renews_the_page_and_check_finds_it_old(tmp_path: Path) -> None:
    page = tmp_path / "factors.md"
    page.write_text(f"head\n{START}\n{END}\ntail\n", encoding="utf-8")
    run = CliRunner()
    with pytest.raises(ConfigError, match="out of date"):
        run.invoke(app, ["factors", "docs", "--check", "--page", str(page)], catch_exceptions=False)
    assert run.invoke(app, ["factors", "docs", "--page", str(page)]).exit_code == 0
    assert run.invoke(app, ["factors", "docs", "--check", "--page", str(page)]).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("head\n")
    assert text.endswith("\ntail\n")
    with pytest.raises(DataError, match="marker"):
        with_tables("no markers")
