r"""The one sink for text of others: models, markets, endpoints, people, exchanges.

What a terminal, a log or a chat would obey instead of show becomes visible: ESC as \x1b, a line separator as
\u2028, a right-to-left override as \u202e. Logs, `echo`, `terminal.Console`, Telegram and REST all pass here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_OBEYED = (
    "\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f"
)
"""C0 and C1 controls, line and paragraph separators, bidi, zero-width and tag characters, lone surrogates.

Zero-width joiners and non-joiners stay: scripts and emoji need them, and they move nothing.
"""
_IN_LINES = re.compile(f"[\x00-\x08{_OBEYED}]")
_IN_A_LINE = re.compile(f"[\x00-\x0a{_OBEYED}]")
_IN_PRINT = re.compile(r"[^\x20-\x7e]")


def plain(text: str) -> str:
    """`text` with everything made visible that would be obeyed; its lines and tabs stay."""
    return text if not _IN_PRINT.search(text) else _IN_LINES.sub(_shown, text)


def one_line(text: str) -> str:
    """`plain` on one line: a line end is shown as \\n."""
    return text if not _IN_PRINT.search(text) else _IN_A_LINE.sub(_shown, text)


def plain_data(value: Any) -> Any:
    """JSON-ready data with `plain` applied to every text, keys too, at any depth."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain_data(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(inner) for inner in value]
    return value


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """`typer.echo` of `plain` text: what every command prints with."""
    import typer  # noqa: PLC0415 - logs and the bot need the rest of this page alone

    typer.echo(plain(str(text)), err=err, nl=nl)


def echo_json(raw: bytes | str) -> None:
    """Print JSON with the same characters as JSON writes them escaped: it means what it meant."""
    import typer  # noqa: PLC0415

    text = raw.decode() if isinstance(raw, bytes) else raw
    typer.echo(_IN_LINES.sub(lambda match: json.dumps(match[0])[1:-1], text))


def _shown(match: re.Match[str]) -> str:
    point = ord(match[0])
    if match[0] in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[match[0]]
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
