"""Secrets in log lines: every record of the process is searched before any handler sees it."""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from agent_market.utils.redaction import HIDDEN, Redactor

_IN_URL = re.compile(r"((?:token|key|password|secret)=)[^&\s\"']+", re.IGNORECASE)

_lock = threading.Lock()
_hiding: dict[str, Redactor] = {}
"""By pattern: those of earlier configs of this process hide on, for their secrets are still secret."""


def hide_in_logs(config: Mapping[str, Any]) -> None:
    """From now on no log record of this process holds a secret of `config`, in its message or traceback."""
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
        text = redactor.text(text)
    return text


def _cleaned(record: logging.LogRecord) -> logging.LogRecord:
    try:
        said = record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit: logging reports that itself
        return record
    if _hide(said) != said:
        if isinstance(record.args, tuple):  # uvicorn's formatter wants its arguments one by one
            record.args = tuple(_hide(a) if isinstance(a, str) else a for a in record.args)
        if _hide(said := record.getMessage()) != said:
            record.msg, record.args = _hide(said), ()
    if record.exc_info and record.exc_info[0] is not None:
        trace = "".join(traceback.format_exception(*record.exc_info))
        if _hide(trace) != trace:
            record.msg, record.args = f"{record.getMessage()}\n{_hide(trace).rstrip()}", ()
            record.exc_info = record.exc_text = None
    return record


class _TokenFilter(logging.Filter):
    """Takes `token=...` out of the lines in which uvicorn names an address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_token(a) for a in record.args)
        return True


def _without_token(argument: object) -> object:
    return _IN_URL.sub(rf"\1{HIDDEN}", argument) if isinstance(argument, str) else argument


_filter = _TokenFilter()
