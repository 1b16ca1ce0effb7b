from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from agent_market.decision.weight_net import AgentWeightNet, kl_to_prior  # noqa: E402
from agent_market.errors import ConfigError  # noqa: E402

AGENTS = ("a", "b", "c")


def some_input(batch: int = 6, state: int = 2):
    generator = torch.Generator().manual_seed(1)
    vectors = torch.rand(batch, 3, 4, generator=generator)
    awake = torch.rand(batch, 3, generator=generator) > 0.3
    awake[0] = True
    awake[1] = False
    prior = torch.rand(batch, 3, generator=generator)
    return vectors * awake.unsqueeze(-1), awake, prior, torch.randn(batch, state, generator=generator)


def shaken(net: AgentWeightNet) -> AgentWeightNet:
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return net


def test_untrained_the_net_is_its_prior() -> None:
    vectors, awake, prior, state = some_input()
    weights = AgentWeightNet(AGENTS, 2)(vectors, awake, prior, state).exp()
    expected = prior * awake
    expected = expected / expected.sum(-1, keepdim=True).clamp_min(1e-9)
    assert torch.allclose(weights, expected, atol=1e-6)


def test_trained_weights_are_shares_of_those_awake() -> None:
    vectors, awake, prior, state = some_input()
    weights = shaken(AgentWeightNet(AGENTS, 2))(vectors, awake, prior, state).exp()
    assert (weights[~awake] == 0.0).all()
    assert torch.allclose(weights.sum(-1), awake.any(-1).float())


def test_a_row_with_nobody_awake_has_a_gradient_that_is_a_number() -> None:
    vectors, awake, prior, state = some_input()
    net = shaken(AgentWeightNet(AGENTS, 2))
    log_weights = net(vectors, awake, prior, state)
    ((log_weights.exp() * torch.arange(3.0)).sum() + kl_to_prior(log_weights, prior)).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_the_order_of_agents_does_not_matter() -> None:
    vectors, awake, prior, state = some_input()
    net = shaken(AgentWeightNet(AGENTS, 2))
    turned = net.seated(("c", "a", "b"))
    order = [2, 0, 1]
    there = turned(vectors[:, order], awake[:, order], prior[:, order], state)
    assert torch.allclose(there, net(vectors, awake, prior, state)[:, order])


def test_an_agent_joins_as_a_stranger_and_leaves_the_rest_in_proportion_to_their_own_scores() -> None:
    net = shaken(AgentWeightNet(AGENTS))
    joined = net.seated((*AGENTS, "new"))
    assert (joined.embedding[3] == 0.0).all()
    assert (joined.embedding[:3] == net.embedding).all()
    left = net.seated(("a", "c"))
    assert (left.embedding[1] == net.embedding[2]).all()


def test_kl_by_hand() -> None:
    # ln 2 * 1 for all weight on one of two equals
    log_weights = torch.tensor([[0.0, -torch.inf]])
    assert kl_to_prior(log_weights, torch.tensor([[0.5, 0.5]])).item() == pytest.approx(0.693147, abs=1e-5)
    prior = torch.tensor([[0.3, 0.7]])
    assert kl_to_prior(prior.log(), prior).item() == pytest.approx(0.0, abs=1e-6)


def test_agents_named_twice_and_a_state_that_is_missing_are_refused() -> None:
    with pytest.raises(ConfigError, match="different agents"):
        AgentWeightNet(("a", "a"))
    vectors, awake, prior, _ = some_input()
    with pytest.raises(ConfigError, match="market state"):
        AgentWeightNet(AGENTS, 2)(vectors, awake, prior)
