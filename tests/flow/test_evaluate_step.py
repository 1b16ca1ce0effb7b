"""The step that compares every way of deciding knows what its result depends on."""

from __future__ import annotations

from agent_market.flow.steps.evaluate import CODE
from tests.helpers.imported import imported

KEEPING = ("store/", "errors.py", "utils/", "__init__.py")


def test_all_code_that_an_evaluation_runs_makes_it_again() -> None:
    """The rules of its agents are the sandbox's, and settings have their defaults in the code."""
    code = (*(f"{part}/" for part in CODE), *(f"{part}.py" for part in CODE))
    found = imported("evaluation/run.py", beyond=KEEPING)
    assert "sandbox/model/rules.py" in found
    assert [file for file in sorted(found) if not file.startswith(code)] == []
