"""The sealed span: read once, and the reading written down before it happens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from agent_market.decision.panel import DecisionPanel
from agent_market.errors import DataError
from agent_market.store.database import Database
from agent_market.store.trials import Trial, record_trials, record_unless, trials_below
from agent_market.utils.arrays import Ints

STUDY = "holdout/"
"""What begins the name of the study that a reading of the sealed span is entered in; a pair ends it."""
OPEN_STUDY = "evaluated/"
"""The same of a reading of what was not sealed."""
_READINGS = (STUDY, OPEN_STUDY)


def sealed_from(panel: DecisionPanel, days: int) -> int:
    """The first moment, seconds, of the newest `days` days."""
    return int(panel.times[-1]) - days * 86_400


def enter_reading(database: Database, panel: DecisionPanel, plan: str) -> None:
    """Enter in the ledger that all rows of a panel are about to be read, unsealed: no holdout any more.

    :param plan: content address of what they are read for.
    """
    record_trials(database, _readings(OPEN_STUDY, panel, np.arange(len(panel)), plan))


def refuse_read(database: Database, panel: DecisionPanel, rows: Ints) -> None:
    """
    :raises DataError: any of these rows was read before, of any of the pairs; the message says by which plan.
    """
    first, last = _span(panel, rows)
    _refuse([t for t in trials_below(database, _READINGS, first, last) if _shares(t, panel)], first, last)


def open_holdout(database: Database, panel: DecisionPanel, rows: Ints, plan: str) -> None:
    """Enter in the ledger that these rows are about to be read: of two processes, one may.

    :param plan: content address of what they are read for.
    :raises DataError: as `refuse_read`; nothing is entered then.
    """
    mine = _readings(STUDY, panel, rows, plan)
    _refuse(record_unless(database, mine, _READINGS, lambda t: _shares(t, panel)), *_span(panel, rows))


def _refuse(earlier: Sequence[Trial], first: datetime, last: datetime) -> None:
    if not earlier:
        return
    one = earlier[0]
    raise DataError(
        f"the holdout {first:%Y-%m-%d} to {last:%Y-%m-%d} was read before ({'+'.join(_pairs(one))}, "
        f"{one.first_at:%Y-%m-%d} to {one.last_at:%Y-%m-%d}, plan {one.candidate[:12]}): what is read twice "
        "is no holdout. Wait for new candles"
    )


def _readings(study: str, panel: DecisionPanel, rows: Ints, plan: str) -> list[Trial]:
    """One for each pair: no other choice of pairs reads any of them anew."""
    first, last = _span(panel, rows)
    prices = [np.ascontiguousarray(panel.returns[rows, n]).tobytes() for n in range(len(panel.pairs))]
    return [
        Trial(study + pair, plan, hashlib.sha256(seen).hexdigest(), first, last, len(rows), 0.0, 0.0)
        for pair, seen in zip(panel.pairs, prices, strict=True)
    ]


def _span(panel: DecisionPanel, rows: Ints) -> tuple[datetime, datetime]:
    first, last = (datetime.fromtimestamp(int(panel.times[i]), UTC) for i in (rows[0], rows[-1]))
    return first, last


def _shares(trial: Trial, panel: DecisionPanel) -> bool:
    return not set(panel.pairs).isdisjoint(_pairs(trial))


def _pairs(trial: Trial) -> list[str]:
    # Older ledgers have all pairs of a reading in one name.
    return trial.study.split("/", 1)[1].split("+")
