"""The result of one training of the nets: pickles as plain arrays, readable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

State = Mapping[str, npt.NDArray[np.float32]]
"""Parameters of a net by name."""

WEIGHT_NET = "weight_net"
DECISION_NET = "decision_net"


@dataclass(frozen=True, slots=True)
class NetGate:
    """Whether a net may decide, and why: `reason` is one sentence with lead, interval and p-value."""

    net: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class NetBundle:
    """The nets of one window of one pair.

    `weight_state` and `decision_state` are the learned parameters, in force or not: the next window may start
    from them.  None = not trained (too few outcomes, or not configured).  `gates` says which of them decides.
    """

    experts: tuple[str, ...]
    state_dim: int
    hidden: int
    head: Literal["target", "actions"]
    outcomes: int
    trained_until_s: int
    weight_state: State | None = None
    decision_state: State | None = None
    gates: tuple[NetGate, ...] = ()
    warm: bool = False

    @property
    def in_force(self) -> tuple[str, ...]:
        """Names of the nets that decide; empty = the prior does."""
        return tuple(gate.net for gate in self.gates if gate.passed)

    def fits(self, other: NetBundle) -> bool:
        """Whether the nets of `other` have the same shape, experts aside."""
        mine = (self.state_dim, self.hidden, self.head)
        return mine == (other.state_dim, other.hidden, other.head)

    @property
    def summary(self) -> str:
        """One line for people and logs."""
        if self.weight_state is None:
            return f"{self.outcomes} known outcomes are too few to train nets on: the prior decides"
        who = " and ".join(self.in_force) or "the prior"
        decides = "decide" if len(self.in_force) > 1 else "decides"
        reasons = "; ".join(f"{g.net} {'passed' if g.passed else 'failed'}: {g.reason}" for g in self.gates)
        start = "from the last window's nets" if self.warm else "from the prior"
        return f"{who} {decides}, nets trained {start} on {self.outcomes} outcomes ({reasons})"
