"""Sizes before a trade, against answers worked out by hand on an account of 10,000."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from agent_market.config import RiskBudget, RiskSettings, StrategyShare
from agent_market.risk.before import size_entry
from agent_market.risk.orders import Book, Conditions, EntryOrder, Holding, Liquidity, Sized

EMPTY = Book(equity=10_000.0, free=10_000.0)
ENTRY = EntryOrder("BTC/USDT", 1, 100.0, 1_000.0, 1.0, 0.10, "Ours", 10.0)
CALM = Conditions()


def sized(
    entry: EntryOrder = ENTRY, book: Book = EMPTY, conditions: Conditions = CALM, **risk: object
) -> Sized:
    return size_entry(entry, book, conditions, RiskSettings.model_validate(risk))


def bound(result: Sized) -> list[str]:
    return [clamp.limit for clamp in result.clamps]


def test_an_entry_within_every_limit_passes_untouched() -> None:
    assert sized() == Sized(1_000.0, 1.0)


def test_notional_of_one_symbol_stops_at_thirty_per_cent() -> None:
    result = sized(replace(ENTRY, stake=5_000.0))
    assert result.stake == pytest.approx(3_000.0)
    clamp = result.clamps[0]
    assert (clamp.limit, clamp.threshold, clamp.value) == ("symbol_notional", 0.30, 0.5)
    assert (clamp.before, clamp.after) == (5_000.0, pytest.approx(3_000.0))


def test_what_is_open_in_the_symbol_counts() -> None:
    book = Book(10_000.0, 7_500.0, (Holding("BTC/USDT", 1, 2_500.0, 250.0),))
    assert sized(book=book).stake == pytest.approx(500.0)


def test_the_loss_at_the_stop_is_at_most_five_per_cent_of_equity() -> None:
    result = sized(replace(ENTRY, stake=2_500.0, stop_distance=0.25))
    assert result.stake == pytest.approx(2_000.0)  # 2,000 x 25% = 500 = 5% of 10,000
    assert bound(result) == ["loss_at_stop"]


def test_leverage_is_capped_and_the_stake_kept() -> None:
    result = sized(replace(ENTRY, leverage=5.0))
    assert (result.stake, result.leverage) == (1_000.0, 1.5)
    assert result.clamps[0].limit == "leverage"
    assert (result.clamps[0].before, result.clamps[0].after) == (5_000.0, 1_500.0)


def test_a_tenth_of_equity_stays_free() -> None:
    book = Book(10_000.0, 1_600.0)
    assert sized(book=book).stake == pytest.approx(600.0)
    gone = sized(book=replace(book, free=900.0))
    assert gone.stake == 0.0
    assert bound(gone)[0] == "free_funds"


def test_pairs_that_move_together_share_a_limit_and_a_hedge_does_not_count() -> None:
    held = Holding("ETH/USDT", 1, 7_000.0, 0.0)
    book = Book(10_000.0, 5_000.0, (held,))
    together = sized(replace(ENTRY, stake=3_000.0), book, Conditions(correlations={"ETH/USDT": 0.9}))
    assert together.stake == pytest.approx(8_000.0 - 0.9 * 7_000.0)
    assert bound(together) == ["correlated_exposure"]
    unknown = sized(replace(ENTRY, stake=3_000.0), book)
    assert unknown.stake == pytest.approx(1_000.0), "not known counts as 1"
    other_side = Book(10_000.0, 5_000.0, (replace(held, sign=-1),))
    hedged = sized(replace(ENTRY, stake=3_000.0), other_side, Conditions(correlations={"ETH/USDT": 0.9}))
    assert hedged.stake == 3_000.0


def test_one_entry_takes_at_most_half_of_what_is_left_of_the_budget() -> None:
    book = Book(10_000.0, 9_000.0, (Holding("ETH/USDT", -1, 1_000.0, 1_200.0),))
    result = sized(replace(ENTRY, stake=2_000.0), book, Conditions(correlations={"ETH/USDT": 0.0}))
    assert result.stake == pytest.approx((1_500.0 - 1_200.0) / 2 / 0.10)
    assert bound(result) == ["risk_budget"]


def test_strategies_share_the_budget() -> None:
    shares = RiskBudget(strategies=(StrategyShare(strategy="Ours", share=0.1),))
    result = size_entry(replace(ENTRY, stake=2_000.0), EMPTY, CALM, RiskSettings(budget=shares))
    assert result.stake == pytest.approx(0.15 * 0.1 * 10_000 / 2 / 0.10)
    with pytest.raises(ValidationError, match=r"add up to 1\.2"):
        RiskBudget(
            strategies=(StrategyShare(strategy="A", share=0.6), StrategyShare(strategy="B", share=0.6))
        )


def test_limits_shrink_with_volatility() -> None:
    assert sized(replace(ENTRY, stake=3_000.0), conditions=Conditions(tightening=0.5)).stake == pytest.approx(
        1_500.0
    )


def test_var_of_the_book_with_the_order_in_it_is_limited() -> None:
    swings = np.where(np.arange(200) % 2 == 0, 0.02, -0.02)
    conditions = Conditions(book_returns=np.zeros(200), pair_returns=swings * 10, candles_per_day=1.0)
    result = sized(replace(ENTRY, stake=3_000.0), conditions=conditions)
    # EWMA deviation 0.2 x 1.645 x share of equity <= 0.08
    assert result.stake / 10_000.0 == pytest.approx(0.08 / (0.2 * 1.6448536), rel=1e-3)
    assert bound(result) == ["value_at_risk"]


def test_a_wide_spread_or_a_thin_book_says_try_again() -> None:
    wide = sized(conditions=Conditions(liquidity=Liquidity(spread=0.01)))
    assert (wide.stake, wide.poor, bound(wide)) == (0.0, True, ["spread"])
    thin = sized(conditions=Conditions(liquidity=Liquidity(spread=0.001, depth=20.0)))
    assert (thin.stake, thin.poor) == (0.0, True)
    assert bound(thin) == ["depth", "min_stake"]


def test_what_liquidity_alone_cut_off_is_left_over() -> None:
    result = sized(
        replace(ENTRY, stake=5_000.0), conditions=Conditions(liquidity=Liquidity(candle_value=8_000.0))
    )
    assert result.stake == pytest.approx(800.0)
    assert result.left_over == pytest.approx(3_000.0 - 800.0), "not what the risk limits cut off"
    assert bound(result) == ["symbol_notional", "volume"]


def test_less_than_the_exchange_takes_is_nothing_and_not_the_least() -> None:
    book = Book(10_000.0, 7_005.0, (Holding("BTC/USDT", 1, 2_995.0, 299.0),))
    result = sized(book=book)
    assert result.stake == 0.0
    assert bound(result)[-1] == "min_stake"
    assert not result.poor


def test_poor_fills_halve_the_order() -> None:
    assert sized(conditions=Conditions(execution=0.5)).stake == 500.0


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("equity", {"book": Book(math.nan, 1.0)}),
        ("equity", {"book": Book(0.0, 1.0)}),
        ("free funds", {"book": Book(1.0, math.inf)}),
        ("stake", {"entry": replace(ENTRY, stake=math.nan)}),
        ("leverage", {"entry": replace(ENTRY, leverage=0.0)}),
        ("stop distance", {"entry": replace(ENTRY, stop_distance=0.0)}),
        ("notional held", {"book": Book(1.0, 1.0, (Holding("A/B", 1, math.nan, 0.0),))}),
        ("sign", {"entry": replace(ENTRY, sign=0)}),
    ],
)
def test_a_number_that_nothing_can_be_ordered_on_is_an_error(what: str, bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=what):
        sized(**bad)  # type: ignore[arg-type]


def test_the_gap_limit_counts_the_whole_book_and_stays_off_unless_it_is_set() -> None:
    book = Book(10_000.0, 8_000.0, (Holding("ETH/USDT", -1, 2_000.0, 0.0),))
    assert bound(sized(replace(ENTRY, stake=2_000.0), book)) == []
    result = sized(replace(ENTRY, stake=2_000.0), book, budget={"gap_loss": 0.09, "gap": 0.30})
    assert result.stake == pytest.approx(1_000.0)  # (2,000 + 1,000) x 30% = 900 = 9% of 10,000
    clamp = result.clamps[0]
    assert (clamp.limit, clamp.threshold, clamp.value) == ("gap_loss", 0.09, pytest.approx(0.12))
