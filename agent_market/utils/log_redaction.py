"""Secrets and forged lines in logs: every record of the process is searched before any handler sees it.

A log line is one line. What others wrote and a record quotes (an endpoint's error, a pause's reason, a pair's
name) cannot begin another one, nor move the cursor of who reads it.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from agent_market.utils.plain_text import one_line, plain
from agent_market.utils.redaction import HIDDEN, Redactor

FURTHER = "\n  | "
"""Before each further line of a record."""

_IN_URL = re.compile(r"((?:token|key|password|secret)=)[^&\s\"']+", re.IGNORECASE)

_lock = threading.Lock()
_hiding: dict[str, Redactor] = {}
"""By pattern: those of earlier configs of this process hide on, for their secrets are still secret."""


def hide_in_logs(config: Mapping[str, Any]) -> None:
    """From now on no log record of this process holds a secret of `config`, or what a terminal would obey."""
    redactor = Redactor(config)
    with _lock:
        _hiding.setdefault(redactor.pattern, redactor)
        original = logging.getLogRecordFactory()
        if getattr(original, "hides_secrets", False):
            return

        def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
            return _cleaned(original(*args, **kwargs))

        record.hides_secrets = True  # type: ignore[attr-defined]
        logging.setLogRecordFactory(record)


def hide_tokens_in_logs() -> None:
    """A WebSocket's address carries its token, and uvicorn logs addresses."""
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).addFilter(_filter)


def _hide(text: str) -> str:
    for redactor in tuple(_hiding.values()):
        text = redactor.hidden(text)
    return text


def _in_a_line(text: str, ours: bool) -> str:
    """Our own loggers' on one line; further lines of others (freqtrade's tables) are marked as such."""
    return one_line(text) if ours else plain(text.replace("\r\n", "\n")).replace("\n", FURTHER)


def _argument(argument: object) -> object:
    return one_line(_hide(argument)) if isinstance(argument, str) else argument


def _cleaned(record: logging.LogRecord) -> logging.LogRecord:
    try:
        said = record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit: logging reports that itself
        return record
    ours = record.name.partition(".")[0] == "agent_market"
    if _in_a_line(_hide(said), ours) != said:
        if isinstance(record.args, tuple):  # uvicorn's formatter wants its arguments one by one
            record.args = tuple(map(_argument, record.args))
        said = record.getMessage()
        if (clean := _in_a_line(_hide(said), ours)) != said:
            record.msg, record.args = clean, ()
    if record.exc_info and record.exc_info[0] is not None:
        trace = "".join(traceback.format_exception(*record.exc_info))
        clean = plain(_hide(trace))
        if clean != trace or _speaks_in_lines(record.exc_info[1]):
            further = FURTHER if _speaks_in_lines(record.exc_info[1]) else "\n"
            told = further.join(["", *clean.rstrip().split("\n")])
            record.msg, record.args = f"{record.getMessage()}{told}", ()
            record.exc_info = record.exc_text = None
    return record


def _speaks_in_lines(error: BaseException | None) -> bool:
    """Whether an exception, or one behind it, has a message of several lines."""
    for _ in range(20):
        if error is None:
            return False
        if "\n" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return True


class _TokenFilter(logging.Filter):
    """Takes `token=...` out of the lines in which uvicorn names an address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_token(a) for a in record.args)
        return True


def _without_token(argument: object) -> object:
    return _IN_URL.sub(rf"\1{HIDDEN}", argument) if isinstance(argument, str) else argument


_filter = _TokenFilter()
