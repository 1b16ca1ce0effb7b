"""/cost: what asking models has cost."""

from __future__ import annotations

from agent_market.bot.telegram.request import Asked
from agent_market.queries.cost import Cost, cost_of
from agent_market.store.spend import Spent

ROLES = 6


def cost(asked: Asked) -> str:
    """Today against its caps, the last 30 days, ever, and by role.

    :raises DataError: there is no store yet.
    """
    return cost_text(cost_of(asked.source))


def cost_text(cost: Cost) -> str:
    """Money, calls and tokens."""
    caps, today = cost.day_caps, cost.today
    lines = [
        f"Cost of models in {cost.currency}",
        f"Today: {_money(today)} of {caps.cost:g}, {today.calls:,} of {caps.calls:,} calls, "
        f"{_tokens(today):,} of {caps.tokens:,} tokens",
        f"30 days: {_money(cost.month)}, {cost.month.calls:,} calls, {_tokens(cost.month):,} tokens",
        f"Ever: {_money(cost.total)}, {cost.total.calls:,} calls",
    ]
    lines += [
        f"- {share.role} ({share.model}): "
        + (f"{share.cost:.4f}" if share.cost is not None else "no price known")
        + f", {share.calls:,} calls"
        for share in cost.shares[:ROLES]
    ]
    return "\n".join(lines)


def _money(spent: Spent) -> str:
    return f"{spent.cost_nano / 1e9:.4f}"


def _tokens(spent: Spent) -> int:
    return spent.prompt_tokens + spent.completion_tokens
