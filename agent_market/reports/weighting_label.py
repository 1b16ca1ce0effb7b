"""Label of the weighting used in a run: an online weighting, or trained nets where in force."""

from __future__ import annotations

from collections.abc import Iterable

from agent_market.config import DecisionSettings
from agent_market.decision.labels import ONLINE, WEIGHT_NET_LABEL
from agent_market.records import Episode


def weighing(episodes: Iterable[Episode], settings: DecisionSettings) -> str:
    """As "Hedge", or with nets as "nets 40%, else AdaHedge": the share of decisions that a net had a part in.

    Without a decision it is what the settings ask for, before any net has proved itself.
    """
    online = ONLINE[settings.nets.prior if settings.has_nets else settings.weighting]
    by = [episode.decision.nets for episode in episodes]
    learned = [nets for nets in by if nets]
    if not learned:
        return online
    only_weights = all(nets == ("weight_net",) for nets in learned)
    label = WEIGHT_NET_LABEL if only_weights else "nets"
    share = len(learned) / len(by)
    return label if share == 1.0 else f"{label} {share:.0%}, else {online}"
