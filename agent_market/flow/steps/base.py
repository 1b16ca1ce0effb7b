"""What a step is, and what it may look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_market.flow.market import ServedMarket
from agent_market.flow.plan import FlowPlan, Round

Say = Callable[[str], None]
"""Takes the newest words of a step, for people."""

ONCE = 0
"""Round number of a step that is made once for all rounds."""


@dataclass(frozen=True, slots=True)
class Context:
    """A step's surroundings. `folders` holds the finished steps: (name, round number) -> folder."""

    plan: FlowPlan
    number: int
    market: ServedMarket
    folders: Mapping[tuple[str, int], Path] = field(default_factory=dict)

    @property
    def round(self) -> Round:
        """The round; only for a step that is made in each."""
        return self.plan.rounds[self.number - 1]

    def made_by(self, step: str) -> Path:
        """The folder of a step that this one needs: the same round's, or the one for all rounds."""
        return self.folders[(step, self.number if (step, self.number) in self.folders else ONCE)]

    def made_before(self, step: str) -> Path | None:
        """The folder of a step of the round before; None in the first round, or where it is left out."""
        return self.folders.get((step, self.number - 1)) if self.number > 1 else None


class Step(ABC):
    """One step. It writes only into the folder that it is given, until `publish`.

    The engine hashes `inputs`, the products of `needs` (same round) and those of `before` (previous round).
    While the hash is that of a finished step, its archived products stand for it and `make` is not called.
    """

    name: str
    once = False
    """Made once for all rounds, not in each."""
    needs: tuple[str, ...] = ()
    """Steps of the same round whose products it reads, where they are part of the flow."""
    before: tuple[str, ...] = ()
    """Steps of the round before, likewise."""
    products: tuple[str, ...]
    """Files that it leaves in its folder, equal byte for byte whenever inputs are. Others may differ."""

    def left_out(self, plan: FlowPlan) -> str | None:
        """Why it is no part of this flow (which setting is not there); None if it is."""
        return None

    @abstractmethod
    def inputs(self, at: Context) -> Mapping[str, Any]:
        """Everything else that its products depend on, as plain values under names that people understand."""

    def stale(self, at: Context, folder: Path) -> str | None:
        """Why archived products cannot stand for it although inputs are equal; None if they can."""
        return None

    @abstractmethod
    def make(self, at: Context, folder: Path, say: Say) -> None:
        """Write every product into `folder`; the last words said are those of the step's line.

        :raises FlowError: it failed; the message has the tool's own words.
        """

    def publish(self, at: Context, folder: Path, warn: Say) -> None:  # noqa: B027 - most put nothing anywhere
        """Put products where others look for them. Called after `make`, and if it was skipped; repeatable.

        :param warn: takes what is not as it should be, and was survived.
        """

    def figures(self, folder: Path) -> Mapping[str, Any]:
        """What the table of rounds shows of it, from its products: column -> number or text."""
        return {}
