"""Does a model say the same when it is asked the same?  Flip rates and spreads of repeated answers.

A question is a recorded decision.  Asking again means another seed or another model, so every answer has a
content address of its own: it is recorded, and asking a second time costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from agent_market.config import DecisionSettings, LLMSettings
from agent_market.decision.action import action_of
from agent_market.decision.fusion import decide
from agent_market.llm.decision_context import decision_context
from agent_market.records import AgentView, Episode
from agent_market.utils.arrays import Floats

FUSED = "fused decision"

Asked = Callable[[Episode], Sequence[AgentView]]
"""Puts the question of an episode to one variant of the committee."""


@dataclass(frozen=True, slots=True)
class AgentStability:
    """How one agent's answers to the same question differ.

    `flip_rate` is the chance that two answers drawn from the same question take different actions (buy, sell,
    hold); `unstable` the share of questions on which not all answers take the same; `depth_spread` the mean
    sample deviation of depth within a question, `largest_range` the widest difference of depth seen.  None
    where no question has two answers. `abstained` is the share of answers that are none.
    """

    agent: str
    questions: int
    answers: int
    abstained: float
    flip_rate: float | None
    unstable: float | None
    depth_spread: float | None
    largest_range: float | None


def variants_of(llm: LLMSettings, repeats: int, models: Sequence[str]) -> tuple[LLMSettings, ...]:
    """One setting for each time that a question is asked: `repeats` seeds of each model.

    :param models: names; none means the configured model. The first variant is the question as it was put.
    """
    return tuple(
        llm.model_copy(update={"model": model, "seed": llm.seed + repeat})
        for model in models or (llm.model,)
        for repeat in range(repeats)
    )


def ask_again(
    episodes: Sequence[Episode], variants: Sequence[Asked], settings: DecisionSettings, workers: int
) -> dict[str, Floats]:
    """Depth of every agent, by name, for each question and variant; NaN where it abstained.

    The last entry is the fused decision, with the weights that the recorded decision was made with.

    :returns: arrays (questions, variants), in the order of the first question's views.
    """

    def answers(question: tuple[Episode, Asked]) -> tuple[Sequence[AgentView], float]:
        episode, ask = question
        with decision_context(f"stability {episode.id}"):
            views = ask(episode)
        fused = decide(episode.view, views, episode.decision.weights, settings, episode.id)
        silent = all(view.abstains for view in views)
        return views, math.nan if silent else fused.depth

    questions = [(episode, ask) for episode in episodes for ask in variants]
    with ThreadPoolExecutor(workers, thread_name_prefix="agent-market-stability") as pool:
        replies = list(pool.map(answers, questions))
    shape = (len(episodes), len(variants))
    names = list(dict.fromkeys(view.agent for views, _ in replies for view in views))
    depths = {name: np.full(len(replies), math.nan) for name in names}
    for i, (views, _) in enumerate(replies):
        for view in views:
            if not view.abstains:
                depths[view.agent][i] = view.depth
    depths[FUSED] = np.array([fused for _, fused in replies], dtype=np.float64)
    return {name: column.reshape(shape) for name, column in depths.items()}


def measure_stability(depths: Mapping[str, Floats], hold_threshold: float) -> tuple[AgentStability, ...]:
    """One row an agent from (questions, answers) depths; NaN is an abstention, and takes no action."""
    return tuple(_stability(agent, table, hold_threshold) for agent, table in depths.items())


def _stability(agent: str, table: Floats, hold_threshold: float) -> AgentStability:
    given = [[float(depth) for depth in row if not math.isnan(depth)] for row in table]
    several = [depths for depths in given if len(depths) > 1]
    actions = [[action_of(depth, hold_threshold) for depth in depths] for depths in several]
    return AgentStability(
        agent=agent,
        questions=len(given),
        answers=sum(map(len, given)),
        abstained=float(np.isnan(table).mean()) if table.size else 0.0,
        flip_rate=_mean([_disagreement(row) for row in actions]),
        unstable=_mean([float(len(set(row)) > 1) for row in actions]),
        depth_spread=_mean([float(np.std(depths, ddof=1)) for depths in several]),
        largest_range=max((max(depths) - min(depths) for depths in several), default=None),
    )


def _disagreement(actions: Sequence[str]) -> float:
    """Share of the pairs of answers that differ: 1 - sum_a n_a (n_a - 1) / (n (n - 1))."""
    n = len(actions)
    alike = sum(actions.count(action) * (actions.count(action) - 1) for action in set(actions))
    return 1.0 - alike / (n * (n - 1))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
