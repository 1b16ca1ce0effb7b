"""How the rules play the model that proposes factors: fixed forms, and the pool's best with other windows.

A request for factors holds, as the last fenced `json` block of its newest user message,

    {"step": "factors", "count": n, "pool": [{"expression", "weight"}, ...], "best": [{"expression", "t"},
     ...], "worst": [...], "failures": [{"expression", "problem"}, ...], "earlier": [{"expression", "rank_ic",
     "later_rank_ic"}, ...], "tried": [expression, ...], "batch": b, ...}

The answer is `{"factors": [{"expression", "rationale"}, ...]}`, n of them, in this order:

* up to a third of n: the strongest expressions of `best` (at most 3), and those of `earlier` whose rank IC
  kept its sign, with every window doubled, then halved;
* up to a third: the strongest of `best` multiplied by a volume condition;
* the rest: `FORMS` with the windows of `WINDOWS`, in order, from the place where batch b begins (b * n).

What stands in the block already, as an expression of any list, is left out.  It is no language model: it
understands nothing and says the same in the same case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import orjson

FORMS = (
    ("ts_return(close, {w})", "what rose goes on rising"),
    ("neg(zscore(close, {w}))", "what is stretched comes back"),
    ("ts_corr(ts_return(volume, 1), ts_return(close, 1), {w})", "volume confirms a move or denies it"),
    ("div(ts_std(ts_return(close, 1), {w}), ts_std(ts_return(close, 1), 240))", "calm and storm alternate"),
    ("ts_position(close, {w})", "nearness to the high of the window"),
    ("div(ts_mean(volume, {w}), ts_mean(volume, 240))", "attention shows in volume"),
    ("ts_skew(ts_return(close, 1), {w})", "lottery-like markets are dear"),
    ("ts_mean(div(sub(close, open), close), {w})", "who wins the candle from open to close"),
    ("cs_rank(ts_return(close, {w}))", "strength beside the other markets"),
    ("ts_mean(log(div(high, low)), {w})", "wide ranges tell of stress"),
    ("neg(ts_argmax(high, {w}))", "a recent high draws followers"),
    ("ts_slope(log(div(close, delay(close, 1))), {w})", "acceleration of the move"),
)
WINDOWS = (24, 72, 12, 168, 48, 6)
GROWN = 3

_BLOCK = re.compile(r"```json\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_WINDOW = re.compile(r"(?<=, )\d+(?=\))")
_LISTS = ("pool", "best", "worst", "failures", "earlier")
_LARGEST = 480
_SMALLEST = 5


def read_factoring(user_texts: Sequence[str]) -> dict[str, Any] | None:
    """The request for factors in the newest user message; None if it is another kind of request."""
    for block in reversed(_BLOCK.findall(user_texts[-1]) if user_texts else []):
        try:
            raw = orjson.loads(block)
        except orjson.JSONDecodeError:
            continue
        if isinstance(raw, dict) and raw.get("step") == "factors":
            return raw
    return None


def propose(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The field `factors` of the answer."""
    count = _whole(asked.get("count"), 1, 64)
    known = {text for name in _LISTS for text in _expressions(asked.get(name))}
    tried = asked.get("tried")
    known |= {text for text in (tried if isinstance(tried, list) else []) if isinstance(text, str)}
    best = _strongest(asked)
    share = max(count // 3, 1)
    parts = chain(
        islice(_rescaled([*best, *_lasting(asked)]), share),
        islice(_conditioned(best), share),
        _forms(_whole(asked.get("batch"), 0, 1_000_000) * count),
    )
    chosen: dict[str, str] = {}
    for expression, rationale in parts:
        if expression not in known and expression not in chosen:
            chosen[expression] = rationale
        if len(chosen) == count:
            break
    return {"factors": [{"expression": text, "rationale": why} for text, why in chosen.items()]}


def _rescaled(expressions: Sequence[str]) -> Iterator[tuple[str, str]]:
    for factor, word in ((2.0, "slower"), (0.5, "faster")):
        for text in expressions:
            changed = _WINDOW.sub(lambda found, by=factor: _window(found[0], by), text)  # type: ignore[misc]
            if changed != text:
                yield changed, f"a {word} form of what scored best"


def _conditioned(expressions: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in expressions:
        yield f"mul({text}, gt(volume, ts_mean(volume, 48)))", "what scored best, only where volume is high"


def _forms(start: int) -> Iterator[tuple[str, str]]:
    all_forms = [(form.format(w=w), why) for w in WINDOWS for form, why in FORMS]
    for i in range(len(all_forms)):
        yield all_forms[(start + i) % len(all_forms)]


def _strongest(asked: Mapping[str, Any]) -> list[str]:
    rows = [row for row in _rows(asked.get("best")) if _number(row.get("t")) is not None]
    rows.sort(key=lambda row: -abs(_number(row.get("t")) or 0.0))
    return [str(row["expression"]) for row in rows[:GROWN]]


def _lasting(asked: Mapping[str, Any]) -> list[str]:
    """Factors of the round before whose rank IC kept its sign on the later span."""
    kept = []
    for row in _rows(asked.get("earlier")):
        first, later = _number(row.get("rank_ic")), _number(row.get("later_rank_ic"))
        if first is not None and later is not None and first * later > 0:
            kept.append(str(row["expression"]))
    return kept


def _expressions(rows: object) -> list[str]:
    return [str(row["expression"]) for row in _rows(rows)]


def _rows(rows: object) -> list[Mapping[str, Any]]:
    found = rows if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, dict) and isinstance(row.get("expression"), str)]


def _window(text: str, by: float) -> str:
    return str(min(max(round(int(text) * by), _SMALLEST), _LARGEST))


def _whole(value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return low
    return min(max(value, low), high)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
