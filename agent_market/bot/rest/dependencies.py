"""What the routes take: the source that is asked, and the parameters that several share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator

from agent_market.bot.freqtrade_internals import api as internals
from agent_market.queries.run_context import RunContext, open_source

PLAIN = r"^[^\x00-\x1f]+$"


def aware(moment: datetime) -> datetime:
    """UTC where no zone was said, on a whole second."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)


def source_asked(
    scope: Annotated[
        str | None,
        Query(description="Another bot's or run's decisions (see `/runs`).", max_length=128, pattern=PLAIN),
    ] = None,
) -> RunContext:
    """The source of the config in force."""
    return open_source(internals.api_config(), scope)


Asked = Annotated[RunContext, Depends(source_asked)]
Pair = Annotated[str | None, Query(description="Only this pair.", max_length=64, pattern=PLAIN)]
Since = Annotated[
    datetime | None,
    Query(description="Decided at or after; UTC without a zone."),
    AfterValidator(lambda moment: None if moment is None else aware(moment)),
]
Before = Annotated[
    str | None,
    Query(description="`next` of the page before.", max_length=128, pattern=r"^\d{1,12}~[^\x00-\x1f]+$"),
]
User = Annotated[str, Depends(internals.api_user)]
