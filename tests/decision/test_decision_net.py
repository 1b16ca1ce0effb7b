from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from agent_market.decision.decision_net import FIRST_ZONE, DecisionNet  # noqa: E402


def test_untrained_the_target_follows_the_anchor_to_the_edge_of_its_first_zone() -> None:
    net = DecisionNet(3)
    anchor = torch.tensor([[0.5], [0.51], [-0.2]])
    path = net(torch.zeros(3, 1, 3), anchor, torch.zeros(1))
    assert path[:, 0].tolist() == pytest.approx(
        [0.5 - FIRST_ZONE, 0.51 - FIRST_ZONE, -0.2 + FIRST_ZONE], abs=1e-6
    )


def test_inside_the_zone_nothing_is_traded() -> None:
    net = DecisionNet(3)
    with torch.no_grad():
        net.act.bias[1] = 4.0  # a zone of about 0.27
    path = net(torch.zeros(3, 1, 3), torch.tensor([[0.2], [-0.1], [1.0]]), torch.tensor([0.05]))
    zone = torch.nn.functional.softplus(torch.tensor(4.0) + torch.log(torch.expm1(torch.tensor(FIRST_ZONE))))
    assert path[0, 0].item() == path[1, 0].item() == pytest.approx(0.05)
    assert path[2, 0].item() == pytest.approx(1.0 - zone.item(), abs=1e-5)


@pytest.mark.parametrize("head", ["target", "actions"])
def test_positions_stay_within_one(head) -> None:
    torch.manual_seed(2)
    net = DecisionNet(3, head=head)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += torch.randn_like(parameter)
    path = net(torch.randn(50, 8, 3) * 3, torch.rand(50, 8) * 2 - 1, torch.zeros(8))
    assert path.abs().max() <= 1.0 + 1e-6


def test_actions_are_long_short_or_keep() -> None:
    net = DecisionNet(1, head="actions")
    anchor = torch.tensor([[0.9], [0.0], [-0.9], [0.0]])
    path = net(torch.zeros(4, 1, 1), anchor, torch.zeros(1))
    with torch.no_grad():
        net.act.bias[1] = 0.5  # hold wins where nothing speaks for a side
    kept = net(torch.zeros(4, 1, 1), anchor, torch.zeros(1))
    assert path[[0, 2], 0].tolist() == pytest.approx([1.0, -1.0])
    assert kept[:, 0].tolist() == pytest.approx([1.0, 1.0, -1.0, -1.0])


@pytest.mark.parametrize("head", ["target", "actions"])
def test_money_reaches_every_weight_through_the_positions(head) -> None:
    torch.manual_seed(3)
    net = DecisionNet(3, head=head)
    with torch.no_grad():
        net.act.weight += 0.1 * torch.randn_like(net.act.weight)
    path = net(torch.randn(10, 4, 3), torch.rand(10, 4) * 1.6 - 0.8, torch.zeros(4))
    (path * torch.randn(10, 4)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
