"""Keeps secrets out of what leaves the process: every body of ours is searched for those of the config."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

HIDDEN = "***"
SHORTEST = 6
"""A shorter secret is not searched for: it would blot out innocent text, and is none that could be kept."""

_NAMES = re.compile(r"key|secret|password|passphrase|token|credential|webhook|wallet_?address", re.IGNORECASE)
_NO_SECRET = re.compile(r"tokens$|keyboard$|api_key_env$", re.IGNORECASE)
_HOOK = re.compile(r"(^|\.)(webhook|discord)\.([a-z_]*url)$", re.IGNORECASE)
_IN_URL = re.compile(r"((?:token|key|password|secret)=)[^&\s\"']+", re.IGNORECASE)


class Redactor:
    """Replaces the secrets of one config by `***`, also as JSON writes them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        found = {secret for secret in _secrets(config, "") if len(secret) >= SHORTEST}
        forms = {form for secret in found for form in (secret, orjson.dumps(secret).decode()[1:-1])}
        self._pattern = (
            re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
            if forms
            else None
        )

    def text(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _secrets(value: Any, name: str) -> Iterator[str]:
    """Every text under a name that tells of a secret, passwords in URLs, and variables that hold keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, str):
        if name.endswith("_env"):
            yield os.environ.get(value, "")
        elif _HOOK.search(name) or (_NAMES.search(name.rpartition(".")[2]) and not _NO_SECRET.search(name)):
            yield value
        if "://" in value and "@" in value:
            try:
                yield make_url(value).password or ""
            except (ArgumentError, ValueError):
                yield value
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for inner in value:
            yield from _secrets(inner, name)


class _TokenFilter(logging.Filter):
    """Takes `token=...` out of the lines in which uvicorn names an address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_hide(a) for a in record.args)
        return True


def _hide(argument: object) -> object:
    return _IN_URL.sub(rf"\1{HIDDEN}", argument) if isinstance(argument, str) else argument


_filter = _TokenFilter()


def hide_tokens_in_logs() -> None:
    """A WebSocket's address carries its token, and uvicorn logs addresses."""
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).addFilter(_filter)
