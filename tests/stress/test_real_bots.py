"""The scenarios that are quick enough, on the real bots that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_market.stress.suite import choose, run_suite

QUICK = ("flash-crash", "false-news", "source-cut", "api-500", "volatility")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", QUICK)
def test_what_must_hold_holds(name: str, tmp_path: Path) -> None:
    report = run_suite(choose([name]), tmp_path / "stress.log")
    (finding,) = report.findings
    assert finding.evidence, (tmp_path / "stress.log").read_text()[-6000:]
    # What holds the clock to a limit is for a quiet machine: `agent-market stress`.
    assert not [row for row in finding.rows if not row.held and not row.timed], (
        tmp_path / "stress.log"
    ).read_text()[-6000:]
