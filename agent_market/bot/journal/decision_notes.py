"""Lines of the risk journal that are about a decision, into the store beside its episode."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from freqtrade.enums import TRADE_MODES

from agent_market.errors import AgentMarketError, DataError
from agent_market.queries.run_context import RunContext, open_source, own_source
from agent_market.runs.parts import BASELINES
from agent_market.store.risk_notes import LIVE, RiskNote, add_risk_notes, backtest_run, begin_run

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000
_BASELINES = frozenset(backtest_run(part.strategy) for part in BASELINES if part.strategy)

Line = Mapping[str, Any]


class DecisionNotes:
    """Takes the journal's new lines, on the thread that writes the journal.

    What the store cannot take waits for the next call, the newest `MOST_WAITING` lines of it.
    """

    def __init__(self, config: Mapping[str, Any], strategy: str) -> None:
        self._config = config
        self._live = config.get("runmode") in TRADE_MODES
        self._run = LIVE if self._live else backtest_run(strategy)
        self._waiting: list[RiskNote] = []
        self._begun = self._live
        self._failed = False

    def __call__(self, lines: Sequence[Line]) -> None:
        self._waiting += [_note(line, self._run) for line in lines if line["decision"]]
        if not self._waiting and self._begun:
            return
        source = self._source()
        try:
            if source is not None:
                self._write(source)
            self._waiting, self._failed = [], False
        except DataError:  # a strategy without our model: there are no episodes to stand beside
            self._waiting = []
        except AgentMarketError as error:
            if not self._failed:
                logger.error("what risk did to orders cannot be stored, and waits: %s", error)
            self._failed = True
            self._waiting = self._waiting[-MOST_WAITING:]

    def _source(self) -> RunContext | None:
        """None for a backtest without FreqAI."""
        if self._live:
            return open_source(self._config)
        identifier = self._config.get("freqai", {}).get("identifier")
        return own_source(self._config, str(identifier)) if identifier else None

    def _write(self, source: RunContext) -> None:
        if not self._begun:
            begin_run(source.database, source.scope, self._run)
            self._begun = True
        add_risk_notes(source.database, source.scope, self._waiting)


def _note(line: Line, run: str) -> RiskNote:
    """In a backtest it was known at its candle, live when it happened."""
    known_at = datetime.fromisoformat(str(line.get("candle") or line["at"]))
    data = {key: value for key, value in line.items() if key not in ("at", "pair", "decision", "kind")}
    return RiskNote(line["decision"], line["pair"], line["kind"], known_at, data, run, run in _BASELINES)
