"""What the breaker reads from candles: a pair without numbers hides nothing that another pair shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode

from agent_market.bot.market import VIX, Market
from agent_market.config import RiskSettings
from agent_market.risk.systemic import alarms

SETTINGS = RiskSettings()
START = datetime(2026, 1, 1, tzinfo=UTC)
CANDLES = 300


def candles(fall: float = 0.0, vix: float = 20.0) -> pd.DataFrame:
    close = np.full(CANDLES, 100.0)
    close[-1] *= 1.0 - fall
    frame = pd.DataFrame({"date": pd.date_range(START, periods=CANDLES, freq="h"), "close": close})
    frame["high"], frame["low"], frame["volume"], frame[VIX] = 100.1, close * 0.999, 1.0, vix
    return frame


@pytest.mark.parametrize("column", ["close", "high", "low", VIX])
def test_a_pair_without_a_number_hides_no_danger_of_the_others(column: str) -> None:
    empty, crashing = candles(fall=0.04), candles(fall=0.3, vix=50.0)
    empty.loc[empty.index[-1], column] = np.nan
    frames = {"A/USDT": empty, "B/USDT": crashing, "C/USDT": crashing}
    strategy = SimpleNamespace(
        timeframe="1h",
        config={"runmode": RunMode.DRY_RUN},
        dp=SimpleNamespace(get_analyzed_dataframe=lambda pair, timeframe: (frames[pair], START)),
    )
    now = START + timedelta(hours=CANDLES)
    readings = Market(strategy, SETTINGS).readings(frames, now)
    causes = {alarm.cause for alarm in alarms(readings, SETTINGS.breaker)}
    assert {"flash_crash", "pairs_crashing"} <= causes
    assert ("vix" in causes) is (column == VIX), "otherwise the first pair's 20 is read"
