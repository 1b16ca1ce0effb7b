"""A result made with factors in hindsight says so at its top."""

from __future__ import annotations

from agent_market.reports.provenance import RECORDED_NOTE, warnings_of


def test_factors_in_hindsight_are_marked() -> None:
    config = {"agent_market": {"factors": {"hindsight": True}}}
    (warning,) = warnings_of("some-model", config, RECORDED_NOTE)
    assert "Factors in hindsight" in warning
    assert warnings_of("some-model", {"agent_market": {"factors": {}}}, RECORDED_NOTE) == ()
