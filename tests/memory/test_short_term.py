from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent_market.memory.short_term import ShortTermLog
from agent_market.records import AgentView
from tests.helpers.episode_makers import an_episode, an_outcome, at


def test_advice_and_rewards_as_known_at_a_moment() -> None:
    first = an_episode(0, depths={"quant": 5.0, "judge": -10.0}, outcome=an_outcome(12, 0.02, cost=0.001))
    second = an_episode(6, depths={"quant": 2.0, "judge": 1.0}, outcome=an_outcome(18, 0.01))
    silent = replace(second, views=(second.views[0], AgentView.abstain("judge", "down")))
    advice = ShortTermLog.of(["judge", "quant", "absent"], [first, silent]).at(at(12))
    assert advice.asof == (at(0), at(6))
    assert advice.depth[:, :2].tolist()[0] == [-10.0, 5.0]
    assert np.isnan(advice.depth[1]).tolist() == [True, False, True]
    # 2% x 5/10 - 0.05% x 5/10 = 0.975%; 2% x -1 - 0.05% = -2.05%
    assert advice.reward[0, :2] == pytest.approx([-0.0205, 0.00975])
    assert np.isnan(advice.reward[1]).all()
    assert len(ShortTermLog.of(["quant"], [first, second]).at(at(5)).asof) == 1


def test_the_oldest_go_first_and_an_outcome_replaces_what_was_noted() -> None:
    log = ShortTermLog(["quant"], capacity=2)
    for hour in (2, 0, 1):
        log.note(an_episode(hour))
    assert log.at(at(9)).asof == (at(1), at(2))
    log.note(an_episode(1, outcome=an_outcome(3, 0.1)))
    assert len(log) == 2
    assert log.at(at(9)).reward[0, 0] == pytest.approx(0.01)
