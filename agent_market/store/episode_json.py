"""Episodes as JSON bytes and back, exactly.

`orjson` writes the shortest text that reads back as the same float, and keys are sorted, so equal
episodes give equal bytes, and reading them gives an equal episode.  Neighbours are rows of
[episode_id, asof, known_at, distance, market_return], times in seconds since the epoch: they are
most of an episode, and as rows they take half the space and a third of the time to read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from agent_market.errors import StoreError
from agent_market.records import (
    AgentView,
    Clamp,
    Debate,
    DebateTurn,
    Decision,
    Episode,
    Evidence,
    Headline,
    Lesson,
    MarketView,
    Neighbour,
    Outcome,
    Recall,
    RiskResult,
    Usage,
)

_OPTIONS = orjson.OPT_SORT_KEYS


def seconds(moment: datetime) -> int:
    """Seconds since the epoch of an aware `datetime` on a whole second, as the store keeps times.

    :raises StoreError: the time is naive or has a fraction of a second.
    """
    if moment.tzinfo is None or moment.microsecond:
        raise StoreError(f"time {moment.isoformat()} must be timezone-aware and on a whole second")
    return int(moment.timestamp())


@lru_cache(maxsize=1 << 16)
def moment(epoch_s: int) -> datetime:
    """The UTC `datetime` of seconds since the epoch; the inverse of `seconds`."""
    return datetime.fromtimestamp(epoch_s, UTC)


def record_to_json(episode: Episode) -> bytes:
    """The episode without scope, outcome and debate, which have columns of their own.

    :raises StoreError: a number is not finite or not a plain `float`, or a time is not on a second.
    """
    _require_finite(episode)
    recall = episode.recall
    recalled: dict[str, object] = {
        "asof": recall.asof,
        "neighbours": [
            (n.episode_id, seconds(n.asof), seconds(n.known_at), n.distance, n.market_return)
            for n in recall.neighbours
        ],
    }
    if recall.lessons:
        recalled["lessons"] = [(n.id, seconds(n.known_at), n.contested) for n in recall.lessons]
    body = {
        "usage": episode.usage,
        "decision": episode.decision,
        "due": episode.due,
        "recall": recalled,
        "verdict": episode.verdict,
        "view": episode.view,
        "views": episode.views,
    }
    return _dumps(body, episode.id)


def json_lines(episodes: Iterable[Episode]) -> Iterator[bytes]:
    """Each episode with its outcome as one line of JSON: all that was decided, and no name of the run."""
    for episode in episodes:
        outcome = outcome_to_json(episode.outcome) if episode.outcome else b"null"
        yield b'{"episode":%b,"outcome":%b}' % (record_to_json(episode), outcome)


def digest_of(episodes: Iterable[Episode]) -> str:
    """sha256 over `json_lines`: two runs decided the same, byte for byte, if and only if it is equal."""
    return hashlib.sha256(b"\n".join(json_lines(episodes))).hexdigest()


def record_from_json(scope: str, record: bytes, outcome: bytes | None) -> Episode:
    """The episode that `record_to_json` and `outcome_to_json` wrote.

    :raises StoreError: the bytes are not what those functions write.
    """
    try:
        body = orjson.loads(record)
        return Episode(
            scope=scope,
            view=_view(body["view"]),
            recall=_recall(body["recall"]),
            views=tuple(map(_agent_view, body["views"])),
            decision=_decision(body["decision"]),
            verdict=_verdict(body["verdict"]),
            due=datetime.fromisoformat(body["due"]),
            outcome=None if outcome is None else _outcome(orjson.loads(outcome)),
            usage=Usage(**body.get("usage", {})),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"an episode of scope {scope!r} cannot be read ({error!r}): {record[:120]!r}. The row was "
            "written by another version or is damaged; use another `memory.scope` or a new store."
        ) from error


def outcome_to_json(outcome: Outcome) -> bytes:
    """:raises StoreError: a number is not finite or not a plain `float`."""
    if not math.isfinite(outcome.market_return + outcome.best + outcome.worst + outcome.cost):
        raise StoreError(f"outcome {outcome} holds a number that is not finite")
    return _dumps(outcome, outcome.known_at.isoformat())


def debate_to_json(debate: Debate) -> bytes:
    """:raises StoreError: a number is not finite or not a plain `float`."""
    numbers = [x for s in debate.turns for x in (s.depth, s.confidence, *s.numbers.values())]
    if not all(math.isfinite(x) for x in numbers if x is not None):
        raise StoreError(f"the debate holds a number that is not finite: {numbers}")
    return _dumps(debate, "a debate")


def debate_from_json(raw: bytes) -> Debate:
    """:raises StoreError: the bytes are not what `debate_to_json` writes."""
    try:
        body = orjson.loads(raw)
        turns = tuple(DebateTurn(**{**s, "lines": tuple(s["lines"])}) for s in body.pop("turns"))
        return Debate(turns=turns, **body)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"a stored debate cannot be read ({error!r}): {raw[:120]!r}") from error


def _dumps(body: object, what: str) -> bytes:
    try:
        return orjson.dumps(body, default=_plain_mapping, option=_OPTIONS)
    except TypeError as error:
        raise StoreError(
            f"{what} cannot be stored: {error}. Records hold plain floats, strings, tuples and mappings."
        ) from error


def _plain_mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} of type {type(value).__name__}")


def _require_finite(episode: Episode) -> None:
    """JSON has no NaN; orjson would write null, and the loss would show only when it is read."""
    view, decision = episode.view, episode.decision
    groups = {
        "features": view.features.values(),
        "context": view.context.values(),
        "state": view.state,
        "close": () if view.close is None else (view.close,),
        "views": [x for v in episode.views for x in (v.depth, v.confidence, v.invalidation or 0.0)],
        "recall": [x for n in episode.recall.neighbours for x in (n.distance, n.market_return)],
        "weights": decision.weights.values(),
        "contributions": decision.contributions.values(),
        "usage": (episode.usage.cost or 0.0,),
        "depth": (decision.depth, decision.shift, decision.confidence, episode.verdict.depth),
        "clamps": [x for c in episode.verdict.clamps for x in (c.threshold, c.value, c.before, c.after)],
    }
    for name, numbers in groups.items():
        if not all(map(math.isfinite, numbers)):
            raise StoreError(
                f"episode {episode.id} has a number in `{name}` that is not finite: {list(numbers)}; "
                "leave unknown values out"
            )


def _view(raw: dict[str, Any]) -> MarketView:
    return MarketView(
        raw["pair"],
        raw["timeframe"],
        datetime.fromisoformat(raw["asof"]),
        raw["features"],
        raw["context"],
        raw["regime"],
        tuple(raw["state"]),
        raw.get("close"),
        tuple([Headline(datetime.fromisoformat(h["known_at"]), h["text"]) for h in raw.get("headlines", ())]),
    )


def _recall(raw: dict[str, Any]) -> Recall:
    return Recall(
        asof=datetime.fromisoformat(raw["asof"]),
        neighbours=tuple(
            [Neighbour(row[0], moment(row[1]), moment(row[2]), row[3], row[4]) for row in raw["neighbours"]]
        ),
        lessons=tuple([Lesson(row[0], moment(row[1]), row[2]) for row in raw.get("lessons", ())]),
    )


def _agent_view(raw: dict[str, Any]) -> AgentView:
    return AgentView(
        raw["agent"],
        raw["depth"],
        raw["confidence"],
        raw["belief"],
        tuple(raw["reasons"]),
        raw["abstained_reason"],
        raw["answer_key"],
        raw.get("horizon"),
        raw.get("invalidation"),
        None if (evidence := raw.get("evidence")) is None else Evidence(**evidence),
        raw.get("prompt"),
        None if (asof := raw.get("asof")) is None else datetime.fromisoformat(asof),
        raw.get("carried_reason"),
    )


def _decision(raw: dict[str, Any]) -> Decision:
    return Decision(
        raw["id"],
        raw["pair"],
        datetime.fromisoformat(raw["asof"]),
        raw["depth"],
        raw["action"],
        raw["confidence"],
        raw["weights"],
        raw["contributions"],
        raw.get("shift", 0.0),
        tuple(raw.get("nets", ())),
    )


def _verdict(raw: dict[str, Any]) -> RiskResult:
    return RiskResult(raw["depth"], raw["action"], tuple([Clamp(**clamp) for clamp in raw["clamps"]]))


def _outcome(raw: dict[str, Any]) -> Outcome:
    known_at = datetime.fromisoformat(raw["known_at"])
    return Outcome(raw["market_return"], raw["best"], raw["worst"], raw["cost"], known_at)
