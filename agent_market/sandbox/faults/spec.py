"""What can be made to go wrong, one type a fault.

A fault is *on* from `at_s` seconds after it is set, for `for_s` seconds. While it is on, a request fault
strikes each request whose path starts with `path` with `probability`, at most `count` times.  The same
types are the body of `PUT /admin/faults` and the rows of a schedule file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from agent_market.config import Settings
from agent_market.errors import SandboxError

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Fault(Settings):
    """When a fault is on."""

    at_s: Seconds = 0.0
    """Seconds from being set until it is on; 0 = at once."""
    for_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds that it stays on; unset = until it is taken away."""


class RequestFault(Fault):
    """A fault that strikes single requests."""

    path: str = Field(default="/", pattern=r"^/")
    """Only requests whose path starts with this are struck. `/admin` never is."""
    probability: Share = 1.0
    """Chance that a matching request is struck, drawn from the fault's own seeded generator."""
    count: int | None = Field(default=None, ge=1)
    """Strikes after which it is over; unset = no limit."""


class Latency(RequestFault):
    """The request waits before it is handled. Adds up with other latencies and goes with any failure."""

    kind: Literal["latency"] = "latency"
    seconds: Seconds
    """Wait in seconds."""
    jitter_s: Seconds = 0.0
    """Added to it: a uniform draw from [0, jitter_s]."""


class RateLimit(RequestFault):
    """HTTP 429 with `Retry-After`; the request is not handled."""

    kind: Literal["rate_limit"] = "rate_limit"
    retry_after_s: int = Field(default=1, ge=0)
    """Value of the header `Retry-After`, whole seconds."""


class ServerError(RequestFault):
    """HTTP 5xx; the request is not handled."""

    kind: Literal["server_error"] = "server_error"
    status: int = Field(default=500, ge=500, le=599)
    """Status code."""


class Drop(RequestFault):
    """The request is handled, then the socket is closed in the middle of the response.

    The worse of the two ways to lose a connection: an order was placed, and the client cannot know.
    """

    kind: Literal["drop"] = "drop"
    keep: float = Field(default=0.5, ge=0, lt=1, allow_inf_nan=False)
    """Share of the body that is still sent; 0 = the headers alone."""


class MalformedJson(RequestFault):
    """The request is handled; its JSON comes with one closing brace too many."""

    kind: Literal["malformed_json"] = "malformed_json"


class TruncatedJson(RequestFault):
    """The request is handled; its JSON ends early, in a response that is complete by its length."""

    kind: Literal["truncated_json"] = "truncated_json"
    keep: float = Field(default=0.5, ge=0, lt=1, allow_inf_nan=False)
    """Share of the body that is sent."""


class SequenceGap(RequestFault):
    """A message of a WebSocket stream is left out; the ids of the next one show it.

    Its `path` is that of the stream: /stream/btcusdt@depth, or /fstream/... for futures.
    """

    kind: Literal["sequence_gap"] = "sequence_gap"


class BadAnswer(RequestFault):
    """The model answers over sound HTTP, with content that does not fit the schema asked for."""

    kind: Literal["bad_answer"] = "bad_answer"
    style: Literal["prose", "truncated", "out_of_range"] = "prose"
    """Plain words, JSON that ends early, or JSON with every number far outside its range."""


class PromptInjection(RequestFault):
    """The model takes a planted headline at its word, over sound HTTP and in the schema asked for.

    Where a request holds `text`, the answer is `depth` with `confidence`, whatever the numbers say.
    """

    kind: Literal["gullible"] = "gullible"
    text: str = Field(min_length=4, pattern=r"^[A-Za-z0-9 .,%:-]+$")
    """What the request must hold; plain characters, so that no encoding changes them."""
    depth: float = Field(default=10.0, ge=-10, le=10, allow_inf_nan=False)
    """The opinion that it forms."""
    confidence: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    """How sure it says to be."""


class MissingCandles(Fault):
    """The exchange leaves candles out."""

    kind: Literal["missing_candles"] = "missing_candles"
    share: Share
    """Share of all candles that is left out."""


class StaleCandles(Fault):
    """The exchange serves the state of some time ago."""

    kind: Literal["stale_candles"] = "stale_candles"
    seconds: float = Field(gt=0, allow_inf_nan=False)
    """Age of the newest data in seconds."""


class FlashCrash(Fault):
    """Prices fall at once."""

    kind: Literal["flash_crash"] = "flash_crash"
    depth: float = Field(gt=0, lt=1, allow_inf_nan=False)
    """Fall as a share of price: 0.3 = down to 70 %."""


class FeedFault(Fault):
    """A feed of news, values or dates is wrong about some of its items (`sandbox.feeds`)."""

    kind: Literal["feed"] = "feed"
    style: Literal["late", "duplicate", "lie", "edited"]
    """`late`: shown `seconds` after its own date; `duplicate`: shown twice, under two ids; `lie`: the
    contrary under the same id and date; `edited`: a lie from `seconds` after publication on."""
    path: str = Field(default="/", pattern=r"^/")
    """Only feeds whose path (/rss/NAME, /json/NAME, /ics/NAME) starts with this."""
    share: Share = 1.0
    """Share of the items, the same ones each time."""
    seconds: Seconds = 0.0
    """For `late` and `edited`."""


RequestFailure = RateLimit | ServerError | Drop | MalformedJson | TruncatedJson
AnyFault = Annotated[
    Latency
    | RateLimit
    | ServerError
    | Drop
    | MalformedJson
    | TruncatedJson
    | SequenceGap
    | FeedFault
    | BadAnswer
    | PromptInjection
    | MissingCandles
    | StaleCandles
    | FlashCrash,
    Field(discriminator="kind"),
]


class FaultPlan(Settings):
    """All faults that are set, and the seed of their draws. A bare list is a plan with the default seed."""

    faults: tuple[AnyFault, ...] = ()
    """The faults, in order: of several failures that strike one request, the first is served."""
    seed: int = 0
    """Seed of the draws: one plan and one order of requests give the same strikes every time."""

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, raw: Any) -> Any:
        return {"faults": raw} if isinstance(raw, list | tuple) else raw


def load_plan(path: Path) -> FaultPlan:
    """Read a schedule file: YAML or JSON, a list of faults (or a mapping with `faults` and `seed`).

    :raises SandboxError: the file cannot be read or parsed, or a row is wrong; names row, key and value.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SandboxError(f"cannot read the fault schedule {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SandboxError(f"the fault schedule {path} is neither YAML nor JSON: {error}") from error
    try:
        return FaultPlan.model_validate(raw if raw is not None else [])
    except ValidationError as error:
        lines = [
            f"{_where(problem['loc'])} = {problem['input']!r}: {problem['msg']}" for problem in error.errors()
        ]
        raise SandboxError(f"bad fault schedule {path}: " + "; ".join(lines)) from error


def _where(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "(the whole file)"
