"""The interface of a step, and the context that it may read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_market.flow.market import ServedMarket
from agent_market.flow.plan import FlowPlan, Round

Say = Callable[[str], None]
"""Takes the newest progress message of a step."""

ONCE = 0
"""Round number of a step that is made once per run."""


@dataclass(frozen=True, slots=True)
class Context:
    """The context of a step; `folders` maps finished steps (name, round number) to folders."""

    plan: FlowPlan
    number: int
    market: ServedMarket
    folders: Mapping[tuple[str, int], Path] = field(default_factory=dict)

    @property
    def round(self) -> Round:
        """The round of a step that is made in each round."""
        return self.plan.rounds[self.number - 1]

    def made_by(self, step: str) -> Path:
        """Return the folder of a needed step, of the same round or made once per run."""
        return self.folders[(step, self.number if (step, self.number) in self.folders else ONCE)]

    def made_before(self, step: str) -> Path | None:
        """Return the folder of a step in the previous round; None in the first round or if left out."""
        return self.folders.get((step, self.number - 1)) if self.number > 1 else None


class Step(ABC):
    """One step of a flow. Until `publish` it writes only into its own folder.

    The engine hashes `inputs`, the products of `needs` (same round) and those of `before` (previous round).
    If a finished step has the same hash, its archived products are reused and `make` is not called.
    """

    name: str
    once = False
    """Whether the step is made once per run instead of in each round."""
    needs: tuple[str, ...] = ()
    """Steps of the same round whose products it reads, if they are part of the flow."""
    before: tuple[str, ...] = ()
    """Steps of the previous round whose products it reads."""
    products: tuple[str, ...]
    """Files that it writes, equal byte for byte for equal inputs. Other files may differ."""

    def left_out(self, plan: FlowPlan) -> str | None:
        """Return why the step is not part of this flow (the missing setting); None if it is."""
        return None

    @abstractmethod
    def inputs(self, at: Context) -> Mapping[str, Any]:
        """Return all other inputs of its products, as plain values under readable names."""

    def stale(self, at: Context, folder: Path) -> str | None:
        """Return why archived products cannot be reused although inputs are equal; None if they can."""
        return None

    @abstractmethod
    def make(self, at: Context, folder: Path, say: Say) -> None:
        """Write every product into `folder`; the last message of `say` ends the step's line.

        :raises FlowError: the step failed; the message quotes the failing tool.
        """

    def publish(self, at: Context, folder: Path, warn: Say) -> None:  # noqa: B027 - most put nothing anywhere
        """Copy products to where others read them. Called after `make` or a skip; must be repeatable.

        :param warn: takes problems that do not stop the flow.
        """

    def figures(self, folder: Path) -> Mapping[str, Any]:
        """Return what the table of rounds shows of its products: column -> number or text."""
        return {}
