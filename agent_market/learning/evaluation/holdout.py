"""The sealed span: read once, and the reading written down before it happens."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import numpy as np

from agent_market.decision.panel import Panel
from agent_market.errors import DataError
from agent_market.learning.validation import Ints
from agent_market.store.database import Database
from agent_market.store.trials import Trial, record_trials, trials_of

STUDY = "holdout"


def sealed_from(panel: Panel, days: int) -> int:
    """The first moment, seconds, of the newest `days` days."""
    return int(panel.times[-1]) - days * 86_400


def open_holdout(database: Database, panel: Panel, rows: Ints, plan: str) -> None:
    """Enter in the ledger that these rows are about to be read.

    :param plan: content address of what they are read for.
    :raises DataError: any of the span was read before; the message says by which plan.
    """
    study = f"{STUDY}/{'+'.join(panel.pairs)}"
    first, last = (datetime.fromtimestamp(int(panel.times[i]), UTC) for i in (rows[0], rows[-1]))
    earlier = trials_of(database, study, first, last)
    if earlier:
        one = earlier[0]
        raise DataError(
            f"the holdout {first:%Y-%m-%d} to {last:%Y-%m-%d} was read before ({one.first_at:%Y-%m-%d} to "
            f"{one.last_at:%Y-%m-%d}, plan {one.candidate[:12]}): what is read twice is no holdout. Wait for "
            "new candles"
        )
    prices = hashlib.sha256(np.ascontiguousarray(panel.returns[rows]).tobytes()).hexdigest()
    record_trials(database, [Trial(study, plan, prices, first, last, len(rows), 0.0, 0.0)])
