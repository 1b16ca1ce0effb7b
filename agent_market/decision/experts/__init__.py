"""Whom to trust: online weighting of experts by their realised rewards.

    base.py       the `Weighting` protocol, and what every learner shares (sleeping experts)
    simple.py     uniform, majority, follow the leader
    exponential.py  AdaHedge and fixed share (Hedge itself stands in `decision.hedge`)
    second_order.py  ML-Poly and BOA
    newton.py     the online Newton step
    choose.py     one of them by its name in the settings, and one for each regime
    virtual_experts.py      cash and mirrored agents as experts of their own

All are deterministic, need no horizon, and know only what they were taught.
"""

from agent_market.decision.experts.base import Weighting
from agent_market.decision.experts.choose import WEIGHTINGS, ByRegime, make_weighting

__all__ = ["WEIGHTINGS", "ByRegime", "Weighting", "make_weighting"]
