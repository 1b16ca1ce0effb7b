"""The steps of a flow, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from agent_market.errors import ConfigError
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import nearest
from agent_market.flow.steps.backtest import Backtest
from agent_market.flow.steps.base import Step
from agent_market.flow.steps.download import Download
from agent_market.flow.steps.evaluate import Evaluate
from agent_market.flow.steps.factors import Expressions, Features
from agent_market.flow.steps.rl import Reinforcement
from agent_market.flow.steps.summary import Feedback, Report, Summary
from agent_market.flow.steps.train import Train

FIRST: tuple[Step, ...] = (Download(),)
EACH_ROUND: tuple[Step, ...] = (
    Expressions(),
    Features(),
    Train(),
    Reinforcement(),
    Backtest(),
    Summary(),
    Feedback(),
    Report(),
)
LAST: tuple[Step, ...] = (Evaluate(),)
STEPS = tuple(step.name for step in (*FIRST, *EACH_ROUND, *LAST))


def chosen_steps(plan: FlowPlan, only: str | None = None, first: str | None = None) -> tuple[str, ...]:
    """Return the steps named by `--steps` and `--from`, in running order; by default all configured ones.

    :param only: names with commas.
    :param first: start with this step.
    :raises ConfigError: a step does not exist, or is not part of this flow.
    """
    reasons = {step.name: step.left_out(plan) for step in (*FIRST, *EACH_ROUND, *LAST)}
    chosen = _named("--steps", only.split(",")) if only is not None else STEPS
    if first is not None:
        (start,) = _named("--from", [first])
        chosen = tuple(name for name in STEPS[STEPS.index(start) :] if name in chosen)
    asked = {*(chosen if only is not None else ()), *([first.strip()] if first is not None else [])}
    for name in STEPS:
        if name in asked and (reason := reasons[name]) is not None:
            raise ConfigError(f"the step `{name}` is not part of this flow: {reason}")
    return tuple(name for name in STEPS if name in chosen and reasons[name] is None)


def _named(option: str, names: Sequence[str]) -> tuple[str, ...]:
    asked = [name.strip() for name in names if name.strip()]
    for name in asked:
        if name not in STEPS:
            raise ConfigError(f"{option}: unknown step {name!r}; {nearest(name, STEPS)}")
    if not asked:
        raise ConfigError(f"{option} is empty; known: {', '.join(STEPS)}")
    return tuple(asked)
