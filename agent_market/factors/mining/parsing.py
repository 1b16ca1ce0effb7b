"""From a proposal to a tree that may be tried, or to a failure that says why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from agent_market.errors import DataError, ExpressionError
from agent_market.factors.limits import LIMITS, Limits
from agent_market.factors.mining.records import FactorProposal, Failure, ProposerName
from agent_market.factors.parse import parse_factor
from agent_market.factors.tree import Tree
from agent_market.factors.types import ValueType
from agent_market.factors.warmup import lookback

SHOWN = 200


def limits_of(longest_lookback: int) -> Limits:
    """The ordinary limits with a reach that a bot can load."""
    return replace(LIMITS, rows=min(longest_lookback, LIMITS.rows))


def read(
    proposal: FactorProposal,
    proposer: ProposerName,
    tried: Collection[str],
    fields: Mapping[str, ValueType],
    minutes: int,
    longest_lookback: int,
) -> Tree | Failure:
    """The canonical tree of a proposal.

    :param tried: hashes of what was tried already.
    :param minutes: timeframe of the panel.
    """
    try:
        tree = parse_factor(proposal.expression, limits_of(longest_lookback), fields)
        reach = lookback(tree, minutes)
    except (ExpressionError, DataError) as error:
        return Failure(proposer, proposal.expression[:SHOWN], str(error))
    if reach > longest_lookback:
        problem = f"it reaches {reach} candles back; {longest_lookback} are allowed; use shorter windows"
        return Failure(proposer, proposal.expression[:SHOWN], problem)
    if tree.digest in tried:
        problem = f"it is `{tree}`, which was tried already; propose another form"
        return Failure(proposer, proposal.expression[:SHOWN], problem)
    return tree
