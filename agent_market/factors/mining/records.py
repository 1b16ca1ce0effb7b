"""What passes between the parts of a search: spans, proposals, failures, what was scored, what is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent_market.errors import ConfigError
from agent_market.factors.tree import Tree

ProposerName = Literal["library", "genetic", "llm", "earlier"]
"""Who proposed a factor; `earlier` is the pool of the round before, which is put to the test again."""

NAME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Span:
    """Closes from `start` on, up to and with `end`; both with a time zone."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ConfigError(f"the span {self.start} to {self.end} has no time zone; give times in UTC")
        if not self.start < self.end:
            raise ConfigError(f"the span {self.start} to {self.end} is empty; give start < end")

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class FactorProposal:
    """An expression somebody wants tried, as text: nothing is read before it is put on record."""

    expression: str
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A proposal that could not be scored, with what was wrong in words that help the next attempt."""

    proposer: ProposerName
    expression: str
    problem: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate on the search span.

    `rank_ic` is the mean rank IC on the screening sample, in [-1, 1], `icir` its ratio and `t` its t value;
    all NaN where `rejected` says why it has none. `joint_gain` is what it adds to the pool's joint IC (NaN
    where it came not that far) and `outcome` what became of it.
    """

    tree: Tree
    proposer: ProposerName
    rationale: str
    rank_ic: float
    icir: float
    t: float
    coverage: float
    joint_gain: float
    outcome: str
    accepted: bool

    @property
    def name(self) -> str:
        """The name of its column: `factor_` and the first digits of its hash."""
        return factor_name(self.tree)


@dataclass(frozen=True, slots=True)
class Member:
    """A factor of the pool with its weight in the joint model (absolute sum of all weights 1)."""

    scored: Scored
    weight: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """A factor of the round before: its scores on the span it was found on, and on the later one.

    Rank ICs in [-1, 1], NaN where there was none; `weight` in the joint model of that round.
    """

    expression: str
    rationale: str
    rank_ic: float
    later_rank_ic: float
    weight: float


@dataclass(frozen=True, slots=True)
class Situation:
    """What a proposer may go by; nothing in it is later than the end of the search span."""

    batch: int
    pool: tuple[Member, ...]
    scored: tuple[Scored, ...]
    failures: tuple[Failure, ...]
    lessons: tuple[str, ...]
    horizon: int
    minutes: int
    joint_ic: float
    earlier: tuple[Earlier, ...] = ()

    @property
    def best(self) -> tuple[Scored, ...]:
        """What was scored, strongest |t| first; what could not be scored is left out."""
        there = [one for one in self.scored if one.t == one.t]
        return tuple(sorted(there, key=lambda one: (-abs(one.t), one.tree.digest)))


def factor_name(tree: Tree) -> str:
    """`factor_<hash>`: equal factors have equal names."""
    return f"factor_{tree.digest[:NAME_DIGITS]}"
