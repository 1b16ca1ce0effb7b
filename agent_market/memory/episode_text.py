"""An episode told: who, what, when, where, why and how of one trade, and in words for search and prompts.

A view over `Episode`: nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_market.memory.bitemporal import Times, times_of
from agent_market.memory.gates import ViewFilter, said_by
from agent_market.memory.text.index import Aspects, TextItem
from agent_market.records import Episode, Outcome


@dataclass(frozen=True, slots=True)
class Story:
    """The 5W1H of a trade.

    `who` are the agents with their depths, `what` the decision and what came of it, `where` pair and regime,
    `why` each agent's words, `how` weights and risk clamps.
    """

    who: tuple[str, ...]
    what: str
    when: Times
    where: str
    why: tuple[str, ...]
    how: tuple[str, ...]


def tell(episode: Episode) -> Story:
    """The story of one episode."""
    view, verdict = episode.view, episode.verdict
    weights = episode.decision.weights
    clamps = [f"{c.limit} cut {c.before:+.1f} to {c.after:+.1f}" for c in verdict.clamps]
    return Story(
        who=tuple(f"{v.agent} {_stand(v.depth, v.abstains)}" for v in episode.views),
        what=f"{verdict.action} at depth {verdict.depth:+.1f}; {came_of_it(episode.outcome)}",
        when=times_of(episode),
        where=f"{view.pair} {view.timeframe}, {view.regime}",
        why=tuple(
            f"{v.agent}: {v.abstained_reason if v.abstains else said_by(v)}"
            for v in episode.views
            if v.abstains or said_by(v)
        ),
        how=(*(f"{agent} weighed {weight:.2f}" for agent, weight in sorted(weights.items())), *clamps),
    )


def came_of_it(outcome: Outcome | None) -> str:
    """What came of a decision, in a few words."""
    if outcome is None:
        return "not known yet"
    return (
        f"the market made {outcome.market_return:+.2%} (best {outcome.best:+.2%}, worst {outcome.worst:+.2%})"
    )


def case_line(episode: Episode) -> str:
    """One line on a case, for the search: it names no market and no moment.

    Regime, where the agents stood, what was decided, what the market then did and at what price for it.
    """
    stood = ", ".join(f"{v.agent} {v.depth:+.1f}" for v in episode.views if not v.abstains)
    return (
        f"{episode.view.regime}; {stood or 'no agent had a view'}; decided {episode.verdict.depth:+.1f}; "
        f"{came_of_it(episode.outcome)}"
    )


def prompt_line(episode: Episode) -> str:
    """One line on a recalled case, for a prompt, where its return stands beside: it must be short.

    Regime, depth decided, and how far the market rose and fell on the way: "chop-calm +1.0, +2.0% -0.5%".
    """
    outcome = episode.outcome
    ran = "not known yet" if outcome is None else f"{outcome.best:+.1%} {outcome.worst:+.1%}"
    return f"{episode.view.regime} {episode.verdict.depth:+.1f}, {ran}"


def episode_texts(episodes: Sequence[Episode], gate: ViewFilter) -> tuple[TextItem, ...]:
    """Search texts of settled episodes: one per view that the gate admits, with the others' as context.

    :param episodes: in order of time, for the gate remembers what was said.
    """
    items = []
    for episode in episodes:
        if episode.outcome is None:
            continue
        admitted = [view for view in episode.views if gate.refusal(view) is None]
        said = {view.agent: f"{view.agent}: {said_by(view)}" for view in admitted}
        line = f"{episode.view.pair} {case_line(episode)}"
        asof, known_at = int(episode.view.asof.timestamp()), int(episode.outcome.known_at.timestamp())
        aspects = Aspects(episode.view.pair, episode.view.regime, episode.scope)
        for agent, text in said.items():
            others = " ".join(words for name, words in said.items() if name != agent)
            items.append(
                TextItem(
                    id=f"{episode.id}#{agent}",
                    text=text,
                    known_at=known_at,
                    valid_from=asof,
                    context=f"{line} {others}".strip(),
                    aspects=aspects,
                )
            )
    return tuple(items)


def _stand(depth: float, abstains: bool) -> str:
    return "abstained" if abstains else f"{depth:+.1f}"
