"""The model endpoint goes down: the fallback answers. It goes down too: agents abstain and nobody buys."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent_market.records import AgentView, Episode
from agent_market.sandbox.faults import FaultRegistry, Latency, RateLimit
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.stress.bots import Server, exchange, stressed_bot
from agent_market.stress.scenario import Invariant, Scenario

FAILOVER_S, TIMEOUT_S = 5.0, 2.0
ASKED = ("aggressive", "conservative", "judge")


@dataclass(frozen=True, slots=True)
class Down:
    """Seconds are those of a whole decision on the slowest pair; `*_views` counts views that were given."""

    healthy_views: int
    dead_s: float
    dead_views: int
    hanging_s: float
    hanging_views: int
    views_wanted: int
    none_views: int
    none_actions: tuple[str, ...]
    none_orders: int
    loops_after: int


def down(folder: Path) -> Down:
    """Stop the first endpoint, let it hang, then let the second refuse; decide on each pair each time."""
    with ExitStack() as stack:
        server = stack.enter_context(exchange())
        first_up, second_up = stack.enter_context(ExitStack()), stack.enter_context(ExitStack())
        first = first_up.enter_context(running(create_model_app()))
        hanging = Server(stack.enter_context(running(create_model_app(FaultRegistry()))))
        hanging.faults(Latency(path="/v1", seconds=60.0))
        second = Server(second_up.enter_context(running(create_model_app(FaultRegistry()))))
        healthy = _decided(folder / "healthy", server, first, second.url)
        first_up.close()
        dead = _decided(folder / "dead", server, first, second.url)
        hung = _decided(folder / "hanging", server, hanging.url, second.url)
        second.faults(RateLimit(path="/v1"))
        none = _decided(folder / "none", server, first, second.url)
        return Down(
            healthy_views=healthy.views,
            dead_s=dead.seconds,
            dead_views=dead.views,
            hanging_s=hung.seconds,
            hanging_views=hung.views,
            views_wanted=healthy.wanted,
            none_views=none.views,
            none_actions=none.actions,
            none_orders=none.orders,
            loops_after=none.loops,
        )


@dataclass(frozen=True, slots=True)
class _Decided:
    views: int
    wanted: int
    seconds: float
    actions: tuple[str, ...]
    orders: int
    loops: int


def _decided(folder: Path, server: Server, first: str, second: str) -> _Decided:
    """One round of decisions of a bot that knows both endpoints."""
    section = {
        "llm": {
            "base_url": f"{first}/v1",
            "mode": "live",
            "timeout_s": TIMEOUT_S,
            "retries": 1,
            "fallbacks": [{"base_url": f"{second}/v1", "model": "heuristic"}],
        },
        "agents": {"debate": {"mode": "compact"}},
    }
    with stressed_bot(folder, server, strategy="Advised", section=section) as bot:
        started = time.perf_counter()
        bot.step()
        took = time.perf_counter() - started
        loops = sum(not bot.step() for _ in range(3))
        episodes = tuple(bot.strategy.decisions.values())
        given = [view for episode in episodes for view in _asked(episode)]
        return _Decided(
            views=sum(not view.abstains for view in given),
            wanted=len(given),
            seconds=took,
            actions=tuple(sorted({episode.verdict.action for episode in episodes})),
            orders=bot.bought,
            loops=loops,
        )


def _asked(episode: Episode) -> Iterable[AgentView]:
    return (view for view in episode.views if view.agent in ASKED)


MODEL_DOWN = Scenario(
    "model-down",
    f"The model endpoint is gone, then hangs (`timeout_s` = {TIMEOUT_S:g}), with a fallback; then the "
    "fallback refuses too.",
    down,
    (
        Invariant(
            f"with the endpoint gone, five decisions rest on the fallback's answers within {FAILOVER_S:g} s",
            lambda e: e.dead_s <= FAILOVER_S and e.dead_views == e.views_wanted > 0,
            lambda e: f"{e.dead_views} of {e.views_wanted} views in {e.dead_s:.2f} s",
            timed=True,
        ),
        Invariant(
            "with it hanging, every view comes from the fallback too",
            lambda e: e.hanging_views == e.views_wanted > 0,
            lambda e: f"{e.hanging_views} of {e.views_wanted} views; five decisions in {e.hanging_s:.1f} s",
        ),
        Invariant(
            "with no endpoint left the agents abstain: hold, and no order",
            lambda e: e.none_views == 0 and e.none_actions == ("hold",) and e.none_orders == 0,
            lambda e: f"{e.none_views} views, {', '.join(e.none_actions)}, {e.none_orders} orders",
        ),
        Invariant(
            "the bot's loop goes on",
            lambda e: e.loops_after == 3,
            lambda e: f"{e.loops_after} of 3 further loops",
        ),
    ),
)
