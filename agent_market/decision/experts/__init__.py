"""Online weighting of experts by their realised rewards.

    base.py             the `Weighting` protocol, and the base of all learners (sleeping experts)
    simple.py           uniform, majority, follow the leader
    exponential.py      AdaHedge and fixed share (Hedge itself is in `decision.hedge`)
    second_order.py     ML-Poly and BOA
    newton.py           the online Newton step
    choose.py           create one by its name in the settings, and one per regime
    virtual_experts.py  cash and mirrored agents as additional experts

All are deterministic, need no horizon, and depend only on the outcomes they have learned.
"""

from agent_market.decision.experts.base import Weighting
from agent_market.decision.experts.choose import WEIGHTINGS, ByRegime, make_weighting

__all__ = ["WEIGHTINGS", "ByRegime", "Weighting", "make_weighting"]
