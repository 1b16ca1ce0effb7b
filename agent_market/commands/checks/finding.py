"""The result of a doctor's check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: `fail` stops the bot or a backtest, `warn` is worth a look, `ok` is as it should be.

    `what` names the thing looked at, `detail` says what was seen, `advice` what to do (empty when ok).
    """

    level: Level
    what: str
    detail: str
    advice: str = ""


def ok(what: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", what, detail)


def warn(what: str, detail: str, advice: str) -> Finding:
    """Works, but worth a look."""
    return Finding("warn", what, detail, advice)


def fail(what: str, detail: str, advice: str) -> Finding:
    """Does not work until the advice is taken."""
    return Finding("fail", what, detail, advice)
