"""The circuit breaker opens, tries with one request, and closes."""

from __future__ import annotations

import pytest

from agent_market.llm.endpoints.breaker import CircuitBreaker


def broken(now: list[float]) -> CircuitBreaker:
    breaker = CircuitBreaker("m at x", failures=3, open_s=10.0, clock=lambda: now[0])
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    breaker = CircuitBreaker("m at x", failures=2, open_s=10.0)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"


def test_it_opens_and_lets_one_request_try_after_a_while() -> None:
    now = [100.0]
    breaker = broken(now)
    assert breaker.state == "open"
    assert not breaker.admits()
    now[0] += 9.9
    assert not breaker.admits()
    now[0] += 0.1
    assert breaker.state == "half-open"
    assert [breaker.admits() for _ in range(3)] == [True, False, False]


def test_a_try_that_succeeds_closes_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    now = [100.0]
    breaker = broken(now)
    now[0] += 10
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.admits()
    assert breaker.admits()
    assert "m at x failed 3 times in a row" in caplog.text
    assert "m at x answers again" in caplog.text


def test_a_try_that_fails_opens_it_for_as_long_again_without_another_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    breaker = broken(now)
    for _ in range(3):
        now[0] += 10
        assert breaker.admits()
        breaker.failed()
        assert not breaker.admits()
    assert caplog.text.count("in a row") == 1
