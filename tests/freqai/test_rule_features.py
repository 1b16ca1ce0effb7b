"""The slow numbers: as the textbook has them, causal, and the same when candles come one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent_market.agents import rule_agents as rules
from agent_market.decision import textbook
from agent_market.freqai.rule_features import RuleBook, add_rules, rule_numbers

HOURS = 24 * 125
PAIRS = ("ADA/USDT", "BTC/USDT")


def candles(seed: int) -> pd.DataFrame:
    close = 100.0 * np.exp(np.random.default_rng(seed).normal(0.0, 0.01, HOURS).cumsum())
    return pd.DataFrame(
        {"date": pd.date_range("2024-01-01", periods=HOURS, freq="1h", tz="UTC"), "close": close}
    )


FRAMES = {pair: candles(n) for n, pair in enumerate(PAIRS)}
CLOSES = (pd.DatetimeIndex(FRAMES[PAIRS[0]]["date"]) + pd.Timedelta(hours=1)).as_unit("s")


def book(stored: int) -> RuleBook:
    """A book over files of the first `stored` candles."""
    return RuleBook(3600, 60, lambda pair: FRAMES[pair].head(stored), lambda pair: pd.DataFrame())


def numbers(stored: int, fresh_until: int, tail: int = 400) -> pd.DataFrame:
    fresh = {pair: frame.iloc[max(0, fresh_until - tail) : fresh_until] for pair, frame in FRAMES.items()}
    return book(stored).columns("ADA/USDT", CLOSES[:fresh_until], fresh)


def test_the_numbers_are_the_textbooks() -> None:
    table = numbers(HOURS, HOURS)
    close = np.column_stack([frame["close"] for frame in FRAMES.values()])
    trend = textbook.trend_share(close, textbook.TREND_DAYS, 24)[:, 0]
    np.testing.assert_array_equal(table[rules.TREND_SHARE], trend)
    above = textbook.above_mean(close[:, [1]], 100, 24)[:, 0]
    np.testing.assert_array_equal(table[rules.MARKET_ABOVE], above)
    assert table[rules.FUNDING].isna().all()
    assert np.isnan(table[rules.TREND_SHARE].iloc[90 * 24 - 1])
    assert np.isfinite(table[rules.TREND_SHARE].iloc[90 * 24])


@pytest.mark.parametrize("cut", [2300, 2500, HOURS - 1])
def test_nothing_after_a_candle_changes_its_numbers(cut: int) -> None:
    before, whole = numbers(cut, cut), numbers(HOURS, HOURS).head(cut)
    np.testing.assert_allclose(before.to_numpy(float), whole.to_numpy(float), rtol=1e-9)


def test_a_bot_that_runs_on_past_its_files_has_the_numbers_of_a_backtest() -> None:
    running = book(2200)
    for until in range(2300, HOURS, 300):
        fresh = {pair: frame.iloc[until - 400 : until] for pair, frame in FRAMES.items()}
        now = running.columns("ADA/USDT", CLOSES[until - 1 : until], fresh)
        then = numbers(HOURS, HOURS).iloc[[until - 1]]
        np.testing.assert_allclose(now.to_numpy(float), then.to_numpy(float), rtol=1e-9)


def test_columns_come_back_by_their_names_and_neither_trained_nor_shown() -> None:
    frame = add_rules(FRAMES["ADA/USDT"], numbers(HOURS, HOURS))
    assert not any(str(c).startswith(("%", "view-", "context-")) for c in frame.columns)
    assert set(rule_numbers(frame)) == set(numbers(HOURS, HOURS))


def test_funding_is_the_mean_of_seven_days_a_year() -> None:
    dates = pd.date_range("2024-01-01", periods=60, freq="8h", tz="UTC")
    rates = pd.DataFrame({"date": dates, "open": 0.0001})
    made = RuleBook(3600, 60, lambda pair: FRAMES[pair], lambda pair: rates)
    table = made.columns("ADA/USDT", CLOSES, {"ADA/USDT": FRAMES["ADA/USDT"]})
    assert table[rules.FUNDING].iloc[24 * 10] == pytest.approx(0.0001 * 3 * 365.25)
    assert np.isnan(table[rules.FUNDING].iloc[24 * 3])
