"""The market that a flow runs on: a sandbox for its duration, or the exchange of the config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.errors import FlowError
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import midnight
from agent_market.reports.provenance import RECORDED_NOTE, SYNTHETIC_NOTE
from agent_market.utils.durable import replace_text

MARKER = "agent_market_source.json"


@dataclass(frozen=True, slots=True)
class ServedMarket:
    """Config keys that point to the market, and a note that describes it (`--notes` of the backtest)."""

    overlay: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@contextmanager
def market_of(plan: FlowPlan) -> Iterator[ServedMarket]:
    """Serve the sandbox of the flow file inside the block; without one, use the config's exchange.

    :raises SandboxError: the sandbox cannot serve the pairs or days.
    :raises FlowError: the folder of candles holds candles of another market.
    """
    sandbox = plan.settings.sandbox
    if sandbox is None:
        yield ServedMarket()
        return
    # Imported late: the sandbox is an extra, and a flow on a real exchange does not need it.
    from agent_market.sandbox.endpoints import overlay  # noqa: PLC0415
    from agent_market.sandbox.faults import FaultRegistry  # noqa: PLC0415
    from agent_market.sandbox.session import MarketChoice, open_market, serving  # noqa: PLC0415

    note = RECORDED_NOTE if sandbox.data else f"{SYNTHETIC_NOTE}, seed {sandbox.seed}"
    claim_datadir(plan.datadir, note if sandbox.data is None else f"{note} of {sandbox.data}")
    is_synthetic = sandbox.data is None
    choice = MarketChoice(
        data=sandbox.data,
        seed=sandbox.seed,
        pairs=_spot_names(plan.pairs_to_download) if is_synthetic else None,
        start=_milliseconds(plan.candles_from - timedelta(days=1)) if is_synthetic else None,
        end=_milliseconds(midnight(plan.settings.span.end) + timedelta(days=1)) if is_synthetic else None,
    )
    with serving(open_market(choice), FaultRegistry()) as endpoints:
        yield ServedMarket(overlay(endpoints.exchange, endpoints.model), note)


def claim_datadir(datadir: Path, source: str) -> None:
    """Ensure that a folder of candles holds one market only, and record which.

    :raises FlowError: it holds another market's, or candles of unknown origin (perhaps real ones).
    """
    marker = datadir / MARKER
    if marker.exists():
        held = json.loads(marker.read_text(encoding="utf-8"))["source"]
        if held != source:
            raise FlowError(
                f"{datadir} holds candles of another market ({held}); this flow wants {source}. "
                "Delete the folder, or give this flow another `userdir`."
            )
        return
    if any(datadir.glob("**/*.feather")):
        raise FlowError(
            f"{datadir} holds candles that no sandbox wrote; they may be real. "
            "Give this flow another `userdir`, so that the two never mix."
        )
    replace_text(marker, json.dumps({"source": source}) + "\n")


def _spot_names(pairs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pair.split(":")[0] for pair in pairs))


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
