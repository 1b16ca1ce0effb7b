"""Weekly discovery: search for edges again, and end those that are no longer found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd

from agent_market.memory.graph.discovery import agent_edges, market_edges
from agent_market.memory.graph.graph_store import write_findings
from agent_market.memory.graph.note_edges import NOTE_KINDS, note_edges
from agent_market.memory.graph.records import EVERY_SCOPE
from agent_market.memory.note_store import NoteStore
from agent_market.store.database import Database
from agent_market.store.episodes import read_episodes
from agent_market.store.jobs import last_run, note_run

EVERY = timedelta(days=7)
JOB = "graph/{scope}"


def discover(
    database: Database, scope: str, closes: Mapping[str, pd.Series], asof: datetime, force: bool = False
) -> dict[str, int] | None:
    """Find all edges that are to be found at `asof`, unless it was done less than a week before.

    :param scope: whose episodes show where agents earn.
    :param closes: close prices by asset, indexed by the UTC time of each candle's *close*; later than
        `asof` is not read. None at all leaves the edges between assets as they are.
    :param force: also within the week.
    :returns: how many edges of each kind now hold; None if it was not yet time.
    """
    name = JOB.format(scope=scope)
    last = last_run(database, name)
    if not force and last is not None and asof - last < EVERY:
        return None
    moves = {asset: close.pct_change(fill_method=None) for asset, close in closes.items()}
    returns = pd.DataFrame(moves, index=None if moves else pd.DatetimeIndex([], tz="UTC"))
    market = market_edges(returns, asof)
    agents = agent_edges(read_episodes(database, scope, before=asof), scope, asof)
    taught = note_edges(NoteStore(database).all(), asof)
    if closes:
        write_findings(database, EVERY_SCOPE, ("co-moves", "leads"), market, asof)
    write_findings(database, scope, ("earns-in", "loses-in"), agents, asof)
    write_findings(database, EVERY_SCOPE, NOTE_KINDS, taught, asof)
    found = dict(sorted(Counter(str(edge.kind) for edge in (*market, *agents, *taught)).items()))
    note_run(database, name, asof, found)
    return found
