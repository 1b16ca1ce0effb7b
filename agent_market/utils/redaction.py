"""What leaves the process: without secrets, and with nothing in it that a terminal or chat would obey."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from agent_market.config import SECTION
from agent_market.utils.plain_text import plain

HIDDEN = "***"
SHORTEST = 6
"""A shorter secret is not searched for: it would blot out innocent text, and is none that could be kept."""

SHORTEST_PATH = 16
"""The same for the path of an address that is a secret whole: libraries tell of it without the host."""

_NAMES = re.compile(
    r"key|secret|password|passphrase|token|credential|webhook|wallet_?address|authorization|twofa",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"tokens$|keyboard$|api_key_env$", re.IGNORECASE)
_HOOK = re.compile(r"(^|\.)(webhook|discord)\.([a-z_]*url)$", re.IGNORECASE)


class Redactor:
    """Replaces the secrets of one config by `***`, also as JSON writes them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        found = {secret for secret in _secrets(config, "") if len(secret) >= SHORTEST}
        forms = {form for secret in found for form in (secret, orjson.dumps(secret).decode()[1:-1])}
        self.pattern = "|".join(re.escape(form) for form in sorted(forms, key=lambda f: (-len(f), f)))
        """What is replaced, as a regular expression; empty = nothing."""
        self._found = re.compile(self.pattern) if forms else None

    def text(self, text: str) -> str:
        """`text` with each secret replaced, and `plain_text.plain`."""
        return plain(self.hidden(text))

    def hidden(self, text: str) -> str:
        """`text` with each secret replaced, and else as it is."""
        return self._found.sub(HIDDEN, text) if self._found else text

    def data(self, value: Any) -> Any:
        """JSON-ready data, every text in it as `text` gives it, at any depth; of keys only secrets stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {plain(k) if isinstance(k, str) else k: self.data(inner) for k, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(inner) for inner in value]
        return value


def _secrets(value: Any, name: str) -> Iterator[str]:
    """Every text under a name that tells of a secret, passwords in URLs, and variables that hold keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, str):
        if name.endswith("_env"):
            yield os.environ.get(value, "")
        elif _is_secret(name):
            yield value
            yield _path_of(value)
        if "://" in value:
            yield from secrets_in_url(value)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for inner in value:
            yield from _secrets(inner, name)


def _path_of(secret: str) -> str:
    """What follows the host of a secret that is an address (a webhook's); empty where that tells nothing."""
    path = secret.partition("://")[2].partition("/")[2]
    return f"/{path}" if len(path) >= SHORTEST_PATH else ""


def secrets_in_url(url: str) -> tuple[str, ...]:
    """Password and secret query values of an address, as they stand there and decoded, longest first.

    Of an address that cannot be read it is the whole of it, if there is a user in it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,) if "@" in url else ()
    written = [parts.netloc.rpartition("@")[0].partition(":")[2]]
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if _NAMES.search(name):
            written.append(value)
    found = {form for text in written for form in (text, unquote(text)) if len(form) >= SHORTEST}
    return tuple(sorted(found, key=len, reverse=True))


def without_password(url: str) -> str:
    """A database URL or template of one without its password; other text as it is."""
    if "://" not in url or "@" not in url:
        return url
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return url
    return parsed._replace(password=None).render_as_string() if parsed.password else url


def without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config to keep: texts under secret names are `***`, addresses are without what is secret in them."""
    return {key: _clean(value, str(key)) for key, value in config.items()}


def _clean(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(inner, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner, name) for inner in value]
    if not isinstance(value, str) or not value or name.endswith("_env"):
        return value
    if name == f"{SECTION}.store.url":  # still an address that can be asked, with the password from elsewhere
        return without_password(value)
    if _is_secret(name):
        return HIDDEN
    for secret in secrets_in_url(value) if "://" in value else ():
        value = value.replace(secret, HIDDEN)
    return value


def _is_secret(name: str) -> bool:
    """Whether the setting `name`, with all that it stands under, tells of a secret."""
    last = name.rpartition(".")[2]
    return bool(_HOOK.search(name) or (_NAMES.search(last) and not _NO_SECRET.search(name)))
