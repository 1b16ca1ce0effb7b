from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from agent_market.config import SizingSettings
from agent_market.decision.sizing import next_share, no_trade_zone, share_path, target_share

SETTINGS = SizingSettings(volatility_target=0.4)


def test_the_position_grows_with_depth_and_shrinks_with_volatility() -> None:
    shares = target_share([10.0, 5.0, 5.0, 0.0], [0.4, 0.4, 0.8, 0.8], SETTINGS, can_short=False)
    assert shares.tolist() == [1.0, 0.5, 0.25, 0.0]


def test_without_shorts_a_negative_depth_is_flat() -> None:
    assert target_share([-8.0], [0.4], SETTINGS, can_short=False).tolist() == [0.0]
    assert target_share([-8.0], [0.4], SETTINGS, can_short=True).tolist() == [-0.8]


def test_what_cannot_be_measured_is_not_held() -> None:
    assert target_share([np.nan, 9.0], [0.4, np.nan], SETTINGS, can_short=False).tolist() == [0.0, 0.0]
    loose = SizingSettings(volatility_target=None)
    assert target_share([9.0], [np.nan], loose, can_short=False).tolist() == [0.9]


def test_the_zone_widens_with_cost_and_in_calm_markets_within_its_bounds() -> None:
    wide = SizingSettings(least_change=0.0, most_change=0.9)
    # 2 x 0.001 x 0.4 / (0.8^2 x 10 / 365.25)
    assert no_trade_zone([0.8], 0.001, wide)[0] == pytest.approx(0.0008 / (0.64 * 10 / 365.25))
    assert no_trade_zone([0.4], 0.001, wide)[0] == pytest.approx(4 * no_trade_zone([0.8], 0.001, wide)[0])
    assert no_trade_zone([0.01, np.nan, 100.0], 0.001, SETTINGS).tolist() == [0.10, 0.10, 0.02]


def test_small_changes_are_not_traded_but_leaving_and_turning_are() -> None:
    assert next_share(0.50, 0.54, 0.05) == 0.50
    assert next_share(0.50, 0.56, 0.05) == 0.56
    assert next_share(0.03, 0.0, 0.05) == 0.0
    assert next_share(-0.02, 0.02, 0.05) == 0.02
    assert share_path(np.array([0.0, 0.3, 0.32, 0.0]), np.full(4, 0.05)).tolist() == [0.0, 0.3, 0.3, 0.0]


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(ValidationError, match="least_change <= most_change"):
        SizingSettings(least_change=0.5, most_change=0.1)
