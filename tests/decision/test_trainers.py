from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.panels import a_panel

torch = pytest.importorskip("torch")

from agent_market.config import DecisionSettings  # noqa: E402
from agent_market.decision.panel import DecisionPanel  # noqa: E402
from agent_market.decision.trainers.base import DecisionDataset, blocks_of, dataset_of  # noqa: E402
from agent_market.decision.trainers.gate import PriorPolicy, earned, gated  # noqa: E402
from agent_market.decision.trainers.pathwise import PathwiseSettings, PathwiseTrainer  # noqa: E402
from agent_market.decision.trainers.policies import TwoStagePolicy, WeightPolicy  # noqa: E402
from agent_market.decision.weight_net import AgentWeightNet  # noqa: E402
from agent_market.errors import TrainingFailed  # noqa: E402

SETTINGS = DecisionSettings()
QUICK = PathwiseSettings(epochs=8, block=16, minibatch=512, device="cpu")
EXPERTS = ("good", "bad", "noise")


def a_problem(moments: int = 200, cost: float = 0.0, seed: int = 0, skill: float = 0.5) -> DecisionDataset:
    panel: DecisionPanel = a_panel(moments, pairs=3, experts=EXPERTS, seed=seed, skill=skill)
    awake = panel.awake.astype(float)
    prior = awake / np.maximum(awake.sum(-1, keepdims=True), 1)
    return dataset_of(panel, prior, cost, SETTINGS)


def weights_policy() -> WeightPolicy:
    return WeightPolicy(AgentWeightNet(EXPERTS, 3))


def two_stages(head="target"):
    return lambda: TwoStagePolicy(None, 3, head)


def same(one, two) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_blocks_keep_the_order_of_time_within_a_pair() -> None:
    problem = a_problem(10)
    marked = replace(problem, gain=(np.arange(10)[:, None] * 10 + np.arange(3)).astype(np.float32))
    blocks = blocks_of(marked, 4, torch.device("cpu"))
    assert blocks.gain.T.tolist() == [
        [20, 30, 40, 50], [21, 31, 41, 51], [22, 32, 42, 52],
        [60, 70, 80, 90], [61, 71, 81, 91], [62, 72, 82, 92],
    ]  # fmt: skip


@pytest.mark.parametrize("make", [weights_policy, two_stages(), two_stages("actions")])
def test_the_same_seed_gives_the_same_net_and_another_seed_another(make) -> None:
    train, later = a_problem(160), a_problem(60, seed=1)
    one, two, other = (PathwiseTrainer(make, QUICK).fit(train, later, seed) for seed in (3, 3, 4))
    assert same(one, two)
    assert not same(one, other)


def test_training_leaves_the_random_numbers_of_others_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    PathwiseTrainer(weights_policy, QUICK).fit(a_problem(60), a_problem(30, seed=1), 3)
    assert torch.equal(torch.rand(3), expected)


def test_the_weight_net_finds_the_agent_that_knows() -> None:
    settings = PathwiseSettings(epochs=40, block=16, minibatch=512, device="cpu")
    trainer = PathwiseTrainer(weights_policy, settings)
    policy = trainer.fit(a_problem(400), a_problem(100, seed=1), 0)
    test = a_problem(200, seed=2)
    weights = policy.weights(test)[test.awake.all(-1)].mean(axis=0)
    assert weights[0] > 0.5 > weights[1]
    assert earned(test, policy.positions(test)).mean() > earned(test, PriorPolicy().positions(test)).mean()


def test_the_two_stage_policy_stops_trading_what_does_not_pay_its_cost() -> None:
    settings = PathwiseSettings(epochs=40, block=16, minibatch=512, device="cpu")
    train, later, test = (
        a_problem(n, cost=0.02, seed=s, skill=0.0) for n, s in ((400, 0), (100, 1), (200, 2))
    )
    policy = PathwiseTrainer(two_stages(), settings).fit(train, later, 0)
    prior = PriorPolicy().positions(test)
    assert (
        np.abs(np.diff(policy.positions(test), axis=0)).mean() < 0.2 * np.abs(np.diff(prior, axis=0)).mean()
    )
    assert earned(test, policy.positions(test)).mean() > earned(test, prior).mean()


def test_what_is_kept_is_the_best_on_the_later_span() -> None:
    trainer = PathwiseTrainer(weights_policy, QUICK)
    trainer.fit(a_problem(160, skill=0.0), a_problem(60, seed=1, skill=0.0), 0)
    values = trainer.progress.later
    assert values[trainer.progress.kept] == max(values)
    assert len(values) <= QUICK.epochs + 1


def test_a_killed_training_goes_on_to_the_same_net(tmp_path) -> None:
    train, later = a_problem(160), a_problem(60, seed=1)
    whole = PathwiseTrainer(weights_policy, QUICK).fit(train, later, 3)
    file = tmp_path / "fit.pt"
    PathwiseTrainer(weights_policy, QUICK.model_copy(update={"epochs": 3}), file).fit(train, later, 3)
    resumed = PathwiseTrainer(weights_policy, QUICK, file)
    assert same(resumed.fit(train, later, 3), whole)
    assert len(resumed.progress.later) > 4


def test_a_checkpoint_of_another_fit_is_refused(tmp_path) -> None:
    train, later = a_problem(80), a_problem(40, seed=1)
    file = tmp_path / "fit.pt"
    PathwiseTrainer(weights_policy, QUICK, file).fit(train, later, 3)
    with pytest.raises(TrainingFailed, match="another seed"):
        PathwiseTrainer(weights_policy, QUICK, file).fit(train, later, 4)


@pytest.mark.parametrize("make", [weights_policy, two_stages(), two_stages("actions")])
def test_no_position_depends_on_what_comes_after_it(make) -> None:
    problem = a_problem(60)
    policy = PathwiseTrainer(make, QUICK).fit(problem, a_problem(30, seed=1), 0)
    whole = policy.positions(problem)
    for cut in (1, 20, 45):
        assert policy.positions(problem.rows(slice(cut))) == pytest.approx(whole[:cut], abs=1e-6)
    blind = replace(problem, gain=np.zeros_like(problem.gain))
    assert (policy.positions(blind) == whole).all()


def test_the_gate_lets_skill_through_and_falls_back_to_the_prior_without() -> None:
    span = a_problem(200, seed=5)
    good = PriorPolicy()
    knows = replace(span, prior=np.eye(3, dtype=np.float32)[0] * span.awake)

    class Expert:
        def positions(self, problem):
            return good.positions(knows)

    chosen, verdict = gated(Expert(), good, span)
    assert isinstance(chosen, Expert)
    assert verdict.promoted
    chosen, verdict = gated(good, good, span)
    assert not verdict.promoted


def test_the_prior_policy_is_the_untrained_net() -> None:
    problem = a_problem(50)
    assert weights_policy().positions(problem) == pytest.approx(PriorPolicy().positions(problem), abs=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_training_runs_on_cuda() -> None:
    train, later = a_problem(160), a_problem(60, seed=1)
    policies = [
        PathwiseTrainer(weights_policy, QUICK.model_copy(update={"device": d})).fit(train, later, 3)
        for d in ("cpu", "cuda")
    ]
    one, two = (policy.positions(later) for policy in policies)
    assert one == pytest.approx(two, abs=1e-3)
