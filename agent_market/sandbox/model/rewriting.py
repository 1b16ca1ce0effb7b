"""How the rules play the model that rewrites a prompt: by the figures in the request, in fixed words.

A request to rewrite holds, as the last fenced `json` block of its newest user message,

    {"step": "rewrite", "role": ..., "part": "belief" | "decision", "text": the text as it is,
     "evidence": [{"name": ..., "ic": ..., "t": ...}, ...], "mean_reward": ...}

`ic` is the correlation of the name's number with what the market did, `t` the same in standard errors.

* belief: the old text without its directives, then "Emphasise: a." or, for a negative t, "Fade: a." for up to
  two names with the largest |t|, of at least 1.  A feature stands for the signal that is made of it
  (`FROM_FEATURES`), the name of an agent, which the judge weighs, for itself.
* decision: the old text without its directives, then "Gain: x.", x = 1.5 times the gain that the text asked
  for before if the mean reward is above 0, else half of it.

It is no language model: it understands nothing and says the same in the same case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from agent_market.sandbox.model.directives import read_directives, without_directives

LEAST_T = 1.0
MOST_NAMES = 2

FROM_FEATURES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "trend": ("trend", 1),
        "return_24": ("momentum_24", 1),
        "return_72": ("momentum_72", 1),
        "macd_hist": ("macd", 1),
        "return_12": ("stretch", -1),
        "rsi_14": ("rsi_reversal", -1),
        "fear_greed": ("crowd", -1),
        "recall": ("recall", 1),
    }
)
"""Feature -> the signal made of it, and whether the signal has the feature's sign."""

_BLOCK = re.compile(r"```json\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one name was worth: its correlation with the outcome in standard errors."""

    name: str
    t: float


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A request for a new text of one part of a role's prompt."""

    role: str
    part: str
    text: str
    evidence: tuple[Evidence, ...]
    mean_reward: float


def read_rewrite(user_texts: Sequence[str]) -> Rewrite | None:
    """The request to rewrite in the newest user message; None if it is another kind of request."""
    for block in reversed(_BLOCK.findall(user_texts[-1]) if user_texts else []):
        try:
            raw = orjson.loads(block)
        except orjson.JSONDecodeError:
            continue
        if isinstance(raw, dict) and raw.get("step") == "rewrite" and isinstance(raw.get("text"), str):
            return _rewrite(raw)
    return None


def rewrite(asked: Rewrite) -> dict[str, Any]:
    """The field `text` of the answer."""
    kept = without_directives(asked.text)
    said = _gain(asked) if asked.part == "decision" else _names(asked)
    return {"text": " ".join(filter(None, [kept, *said]))}


def _names(asked: Rewrite) -> list[str]:
    known = [_signal(row, asked.role) for row in asked.evidence]
    strongest = sorted((row for row in known if row), key=lambda row: (-abs(row.t), row.name))
    chosen = [row for row in strongest if abs(row.t) >= LEAST_T][:MOST_NAMES]
    return [f"{'Emphasise' if row.t > 0 else 'Fade'}: {row.name}." for row in chosen]


def _gain(asked: Rewrite) -> list[str]:
    before = read_directives([asked.text]).gain
    after = before * (1.5 if asked.mean_reward > 0 else 0.5)
    return [f"Gain: {min(max(after, 0.1), 10.0):.4g}."]


def _signal(row: Evidence, role: str) -> Evidence | None:
    if role == "judge":
        return row
    found = FROM_FEATURES.get(row.name)
    return None if found is None else Evidence(found[0], found[1] * row.t)


def _rewrite(raw: Mapping[str, Any]) -> Rewrite:
    rows = raw.get("evidence")
    evidence = [
        Evidence(row["name"], t)
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("name"), str)
        if (t := _number(row.get("t"))) is not None
    ]
    return Rewrite(
        role=str(raw.get("role", "")),
        part=str(raw.get("part", "")),
        text=str(raw["text"]),
        evidence=tuple(evidence),
        mean_reward=_number(raw.get("mean_reward")) or 0.0,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
