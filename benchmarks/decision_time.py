"""What one decision costs beside its agents: recall, the memory agent, weights, fusion, risk, remembering.

A backtest of one pair is walked from an empty memory to 2,000 settled episodes; outcomes are settled on the
way, and their cost is left out as the model's answers are: both belong to the market and the agents. The
value is the mean over all decisions, so it includes the growing index and what Hedge learns.  The limit it
is held against is 300 microseconds.

    python benchmarks/decision_time.py [--episodes 2000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from agent_market.agents.memory_agent import memory_view
from agent_market.config import AgentMarketSettings
from agent_market.decision.fusion import decide
from agent_market.decision.learner import WeightLearner
from agent_market.memory.episodic import EpisodicMemory
from agent_market.records import AgentView, Episode, MarketView, Outcome
from agent_market.risk.limits import limit_depth
from agent_market.store.database import Database

LIMIT_US = 300.0
START = datetime(2024, 1, 1, tzinfo=UTC)
HORIZON = timedelta(hours=12)
SETTINGS = AgentMarketSettings()
ASKED = ("aggressive", "conservative", "quant", "judge")
AGENTS = (*ASKED, "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    runs = [_walk(options.episodes) for _ in range(options.repeats)]
    for decision_us, load_ms in runs:
        print(f"decision {decision_us:6.1f} us   load of {options.episodes} episodes {load_ms:6.1f} ms")
    value = min(decision_us for decision_us, _ in runs)
    result = {
        "name": "decision_time",
        "value": round(value, 1),
        "unit": "us",
        "against": "a limit of 300 us for one decision without its agents' answers",
        "ratio": round(value / LIMIT_US, 3),
    }
    print(json.dumps(result))


def _walk(episodes: int) -> tuple[float, float]:
    """Mean processor time of a decision in microseconds, and of loading them all again in milliseconds."""
    rng = np.random.default_rng(7)
    states = rng.normal(size=(episodes, 24)).astype(np.float32)
    numbers = rng.normal(size=(episodes, 24)).tolist()
    spent = 0.0
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/store.sqlite")
        memory = EpisodicMemory(database, "benchmark", "BTC/USDT", SETTINGS.memory)
        learner = WeightLearner(AGENTS, SETTINGS.decision)
        for n in range(episodes):
            asof = START + n * HORIZON
            for episode in memory.unsettled():
                memory.settle(episode, Outcome(numbers[n][0] / 50, 0.02, -0.02, 0.0024, asof))
            memory.assess(asof)
            view = _view(asof, numbers[n], states[n])
            views = tuple(AgentView(a, numbers[n][i], 0.5, "because") for i, a in enumerate(ASKED))
            started = time.process_time()
            _decide(view, views, memory, learner, f"BTC/USDT@{n}")
            spent += time.process_time() - started
        memory.flush()
        started = time.process_time()
        memory.load(before=START + episodes * HORIZON)
        load = time.process_time() - started
        database.close()
    return spent / episodes * 1e6, load * 1e3


def _view(asof: datetime, numbers: list[float], state: np.ndarray) -> MarketView:
    features = {f"feature_{i}": number for i, number in enumerate(numbers)}
    features |= {"volatility_24": 0.01, "turbulence_percentile": 0.5, "drawdown": 0.3}
    return MarketView("BTC/USDT", "1h", asof, features, {"vix": 20.0}, "up-calm", tuple(state.tolist()))


def _decide(
    view: MarketView, asked: tuple[AgentView, ...], memory: EpisodicMemory, learner: WeightLearner, name: str
) -> None:
    """`cycle.run_cycle` without its committee."""
    recall = memory.recall(view)
    views = (*asked, memory_view(recall, SETTINGS.memory))
    awake = {v.agent: v.depth for v in views if not v.abstains}
    weights = learner.weights(memory.settled(view.asof), awake)
    decision = decide(view, views, weights, SETTINGS.decision, name)
    verdict = limit_depth(decision, view, SETTINGS.risk, SETTINGS.decision.hold_threshold)
    memory.remember(Episode("benchmark", view, recall, views, decision, verdict, due=view.asof + HORIZON))


if __name__ == "__main__":
    main()
