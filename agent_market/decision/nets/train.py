"""Train the nets on one pair's decision log: fit, stop early, promote a net only if it wins out of sample.

Three consecutive spans, each purged of outcomes not known when the next began: 70% to fit, 15% for early
stopping, the newest 15% for the promotion test.  There the weight net must beat the prior, and the decision
net the winner of that test, corrected for two trials because its first stage was chosen on the same span.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from agent_market.config import DecisionSettings
from agent_market.decision.nets.bundle import DECISION_NET, WEIGHT_NET, NetBundle, NetGate, State
from agent_market.decision.nets.dataset import DecisionLog
from agent_market.decision.trainers.base import DecisionDataset, Policy
from agent_market.decision.trainers.gate import PriorPolicy, gated
from agent_market.decision.trainers.pathwise import PathwiseSettings, PathwiseTrainer
from agent_market.decision.trainers.policies import PathPolicy, TwoStagePolicy, WeightPolicy
from agent_market.decision.weight_net import AgentWeightNet
from agent_market.errors import DataError
from agent_market.stats.validation import later_spans


def problem_of_log(log: DecisionLog) -> DecisionDataset:
    """Convert the log to a data set of one pair, with the outcomes."""
    seen = log.seen
    return DecisionDataset(
        vectors=seen.vectors[:, None],
        awake=seen.awake[:, None],
        depth=seen.depth[:, None],
        prior=seen.prior[:, None],
        state=seen.state[:, None],
        gain=log.gain[:, None],
        cost=log.cost[:, None],
    )


def train_nets(
    log: DecisionLog, settings: DecisionSettings, trained_until_s: int, earlier: NetBundle | None = None
) -> NetBundle:
    """Train the nets that `settings.weighting` names.

    :param log: `decision_log` at the moment of training.
    :param trained_until_s: that moment, in Unix seconds; stored in the bundle.
    :param earlier: nets to start from if their shape is the same; trained on a part of this log.
    :return: a bundle without trained nets if fewer than `nets.least_outcomes` are known, or if a span is
        empty once purged of overlapping outcomes.
    :raises TrainingFailed: the objective became NaN.
    """
    nets = settings.nets
    blank = NetBundle(
        experts=log.experts,
        state_dim=log.seen.state.shape[1],
        hidden=nets.hidden,
        head=nets.head,
        outcomes=len(log),
        trained_until_s=trained_until_s,
    )
    if len(log) < nets.least_outcomes:
        return blank
    # Nets trained with other experts are reused expert by expert; nets of another shape are not.
    start = earlier if earlier is not None and earlier.weight_state and blank.fits(earlier) else None
    whole = problem_of_log(log)
    try:
        spans = later_spans(np.arange(len(log)), log.times, log.known_at)
    except DataError:
        return blank
    fit, stop, judged = (whole.rows(rows) for rows in spans)
    how = PathwiseSettings(epochs=nets.epochs, device=nets.device)

    def trained(make: Callable[[], PathPolicy]) -> PathPolicy:
        return PathwiseTrainer(make, how).fit(fit, stop, nets.seed)

    weigher = trained(lambda: WeightPolicy(weight_net(blank, start)))
    assert isinstance(weigher, WeightPolicy), "the trainer gives back what it was given"
    first, verdict = gated(weigher, PriorPolicy(), judged, level=nets.level)
    gates = [NetGate(WEIGHT_NET, verdict.promoted, verdict.reason)]
    second: TwoStagePolicy | None = None
    if settings.weighting == "two_stage":
        found = trained(lambda: two_stage(blank, first, start))
        assert isinstance(found, TwoStagePolicy), "the trainer gives back what it was given"
        second = found
        _, verdict = gated(second, first, judged, trials=2.0, level=nets.level)
        gates.append(NetGate(DECISION_NET, verdict.promoted, verdict.reason))
    return NetBundle(
        experts=blank.experts,
        state_dim=blank.state_dim,
        hidden=blank.hidden,
        head=blank.head,
        outcomes=blank.outcomes,
        trained_until_s=trained_until_s,
        weight_state=state_of(weigher.net),
        decision_state=None if second is None else state_of(second.net),
        gates=tuple(gates),
        warm=start is not None,
    )


def weight_net(bundle: NetBundle, start: NetBundle | None) -> AgentWeightNet:
    """Create a weight net for the bundle's experts, with the parameters of `start` if it has any."""
    if start is None or start.weight_state is None:
        return AgentWeightNet(bundle.experts, bundle.state_dim, bundle.hidden)
    theirs = AgentWeightNet(start.experts, start.state_dim, start.hidden)
    load(theirs, start.weight_state)
    return theirs.seated(bundle.experts)


def two_stage(bundle: NetBundle, first: Policy, start: NetBundle | None) -> TwoStagePolicy:
    """Create a second stage over `first`; it uses the prior weights unless `first` is a weight policy."""
    weights = first if isinstance(first, WeightPolicy) else None
    policy = TwoStagePolicy(weights, bundle.state_dim, bundle.head, bundle.hidden)
    if start is not None and start.decision_state is not None:
        load(policy.net, start.decision_state)
    return policy


def state_of(net: nn.Module) -> State:
    """Return the parameters as arrays on the CPU."""
    return {name: value.detach().cpu().numpy().copy() for name, value in net.state_dict().items()}


def load(net: nn.Module, state: State) -> None:
    """Load parameters into a net, in place."""
    net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
