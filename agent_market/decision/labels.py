"""Labels of the values of `decision.weighting`, for reports."""

from __future__ import annotations

from collections.abc import Mapping

ONLINE: Mapping[str, str] = {
    "uniform": "uniform",
    "majority": "majority",
    "leader": "follow the leader",
    "hedge": "Hedge",
    "adahedge": "AdaHedge",
    "fixed_share": "fixed share",
    "ml_poly": "ML-Poly",
    "boa": "BOA",
    "newton": "online Newton step",
}
"""Online weightings, by setting."""

WEIGHT_NET_LABEL = "weight net"
