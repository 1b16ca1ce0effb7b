"""Each claim holds on good evidence, and fails on the one measurement that it is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_market.stress.scenario import Scenario
from agent_market.stress.scenarios.api_errors import API_ERRORS, Refused
from agent_market.stress.scenarios.clock_jump import CLOCK_JUMP, Jumped
from agent_market.stress.scenarios.false_news import FALSE_NEWS, Believed
from agent_market.stress.scenarios.flash_crash import FLASH_CRASH, Crashed
from agent_market.stress.scenarios.killed import KILLED, Killed
from agent_market.stress.scenarios.model_down import MODEL_DOWN, Down
from agent_market.stress.scenarios.source_cut import SOURCE_CUT, Cut
from agent_market.stress.scenarios.volatility import VOLATILITY, Stormy

NEVER = float("inf")
FROZEN = "entries are frozen: a cause"
SALE = ("A/B", "sell", 10.0, 2.0)

GOOD: dict[str, tuple[Scenario[Any], Any]] = {
    "flash-crash": (FLASH_CRASH, Crashed(10_000.0, 8_900.0, 0.34, 0.04, 0.2, 1.0, 0, FROZEN)),
    "false-news": (FALSE_NEWS, Believed(15, 1.0, 10.0, 0.35, 0.30, 0.03, 0.08, 0.2, 3, ("symbol_notional",))),
    "source-cut": (SOURCE_CUT, Cut(3.2, 0.2, 8.0, 0.1, (10.0, 20.0), 0.2)),
    "api-500": (
        API_ERRORS,
        Refused(2, 3.1, 3.1, 2, True, 60, 0, 0, 1.0, 0, 1, SALE, ("A/B", "sell", 2.0), 0),
    ),
    "volatility": (
        VOLATILITY,
        Stormy(
            9.0, ("volatility_spike",), 0, 0.01, 0.5, 2, 1.0, 0.2, 0.08, ("value_at_risk",), -0.05, 30, -0.4
        ),
    ),
    "model-down": (MODEL_DOWN, Down(15, 1.0, 15, 7.0, 15, 15, 0, ("hold",), 0, 3)),
    "kill-9": (KILLED, Killed(7, 4, 0, 0, 0, 5, 0, 0, ("flash_crash",), ("flash_crash",), True)),
    "clock-jump": (
        CLOCK_JUMP,
        Jumped(2, 0.5, ("clock_skew",), FROZEN, ("stale_data",), FROZEN, True, 3, 0.4),
    ),
}


def failed(scenario: Scenario[Any], evidence: Any) -> list[int]:
    """Numbers of the claims that do not hold; every measurement must be tellable all the same."""
    assert all(claim.measured(evidence) for claim in scenario.claims)
    return [number for number, claim in enumerate(scenario.claims) if not claim.holds(evidence)]


@pytest.mark.parametrize("name", GOOD)
def test_all_claims_hold_on_good_evidence(name: str) -> None:
    assert failed(*GOOD[name]) == []


@pytest.mark.parametrize(
    ("name", "change", "claims"),
    [
        ("flash-crash", {"frozen_s": 0.51}, [0]),
        ("flash-crash", {"frozen_s": NEVER}, [0]),
        ("flash-crash", {"equity_after": 8_790.0}, [1]),
        ("flash-crash", {"equity_after": 10_000.0}, [1]),
        ("flash-crash", {"book_before": 0.1}, [1]),
        ("flash-crash", {"book_after": 0.06}, [2]),
        ("flash-crash", {"bought_after": 1}, [3]),
        ("flash-crash", {"forced_entry": ""}, [3]),
        ("flash-crash", {"forced_entry": "freqtrade: no free slot"}, [3]),
        ("false-news", {"prompts": 0}, [0]),
        ("false-news", {"depth_after": 1.5}, [0]),
        ("false-news", {"largest_symbol": 0.31}, [1]),
        ("false-news", {"largest_loss_at_stop": 0.06}, [2]),
        ("false-news", {"book_loss_at_stops": 0.16}, [2]),
        ("false-news", {"free": 0.09}, [3]),
        ("false-news", {"clamps": ()}, [4]),
        ("source-cut", {"silent_s": 5.1}, [0]),
        ("source-cut", {"refused_s": NEVER}, [1]),
        ("source-cut", {"frozen_on_second_s": 0.6}, [2]),
        ("source-cut", {"back_s": NEVER}, [3]),
        ("source-cut", {"context": (10.0, 10.0)}, [4]),
        ("source-cut", {"context": (10.0, None)}, [4]),
        ("api-500", {"frozen_s": 3.6}, [0]),
        ("api-500", {"bought_meanwhile": 1}, [1]),
        ("api-500", {"sheet_s": NEVER, "stops_listed": 0}, [2]),
        ("api-500", {"stops_listed": 1}, [2]),
        ("api-500", {"stops_as_freqtrade_has_them": False}, [2]),
        ("api-500", {"critical_alerts": 0}, [2]),
        ("api-500", {"back_s": 61.0}, [3]),
        ("api-500", {"left_on_sheet": 1}, [3]),
        ("api-500", {"sale_listed": None}, [4]),
        ("api-500", {"sale_listed": ("A/B", "sell", 10.0, 1.0)}, [4]),
        ("api-500", {"left_after_sale": 1}, [4]),
        ("volatility", {"early_orders": 1}, [0]),
        ("volatility", {"early_causes": ()}, [0]),
        ("volatility", {"early_look_s": 0.6}, [1]),
        ("volatility", {"late_var": 0.09}, [2]),
        ("volatility", {"late_clamps": ()}, [2, 4]),
        ("volatility", {"day_change": -0.061}, [3]),
        ("volatility", {"bare_change": 0.0}, [3]),
        ("volatility", {"day_trades": 0}, [3]),
        ("model-down", {"dead_s": 5.1}, [0]),
        ("model-down", {"dead_views": 14}, [0]),
        ("model-down", {"hanging_views": 0}, [1]),
        ("model-down", {"none_orders": 1}, [2]),
        ("model-down", {"none_actions": ("buy", "hold")}, [2]),
        ("model-down", {"loops_after": 2}, [3]),
        ("kill-9", {"trades_lost_or_changed": 1}, [0]),
        ("kill-9", {"pairs_doubled": 1}, [0]),
        ("kill-9", {"databases_damaged": 1}, [0]),
        ("kill-9", {"open_trades": 0}, [0]),
        ("kill-9", {"journal_lines_damaged": 1}, [1]),
        ("kill-9", {"orders_while_paused": 1}, [2]),
        ("kill-9", {"alarms_after": ()}, [3]),
        ("kill-9", {"told_frozen": False}, [3]),
        ("clock-jump", {"ahead_forced": ""}, [0]),
        ("clock-jump", {"ahead_causes": ()}, [0]),
        ("clock-jump", {"behind_forced": "freqtrade: no free slot"}, [1]),
        ("clock-jump", {"trades_kept": False}, [2]),
        ("clock-jump", {"back_orders": 0}, [3]),
    ],
)
def test_a_claim_fails_on_the_measurement_that_it_is_about(
    name: str, change: dict[str, Any], claims: list[int]
) -> None:
    scenario, evidence = GOOD[name]
    assert failed(scenario, replace(evidence, **change)) == claims
