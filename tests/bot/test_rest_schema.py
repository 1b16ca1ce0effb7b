"""schemathesis against our part of the OpenAPI description, on a real bot: no answer is a 5xx."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.helpers.api_bot import AUTH, api_bot

EXAMPLES = 25


@pytest.mark.slow
def test_nothing_that_fits_or_misses_the_description_makes_a_server_error(tmp_path: Path) -> None:
    with api_bot(tmp_path) as api:
        schema = schemathesis.openapi.from_dict(api.client.get("/openapi.json").json())
        schema.config.update(base_url=api.url)
        ours = schema.include(path_regex="^/api/v1/agents")
        tried: dict[str, int] = {}
        problems: list[str] = []
        for result in ours.get_all_operations():
            operation = result.ok()
            for mode in schemathesis.GenerationMode:

                @given(case=operation.as_strategy(generation_mode=mode))
                @settings(
                    max_examples=EXAMPLES,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                def ask(case: schemathesis.Case) -> None:
                    response = case.call(auth=AUTH)
                    tried[operation.label] = tried.get(operation.label, 0) + 1  # noqa: B023
                    try:
                        case.validate_response(
                            response, checks=[not_a_server_error, response_schema_conformance]
                        )
                    except FailureGroup as group:
                        problems.extend(str(failure) for failure in group.exceptions)

                ask()
        assert problems == []
        assert len(tried) == 18
        assert sum(tried.values()) > 17 * EXAMPLES / 2
