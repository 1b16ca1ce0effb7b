"""`agent-market docs`: reference pages generated from the code, so that they cannot drift from it."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from agent_market.errors import ConfigError
from agent_market.plain_text import echo


class Page(StrEnum):
    """A reference page that can be generated."""

    settings = "settings"
    features = "features"


TYPE_NAMES = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true/false",
    Path: "path",
    type(None): "null",
}

FILES = {
    Page.settings: Path("docs/configuration.md"),
    Page.features: Path("docs/features.md"),
}


def docs(
    page: Annotated[Page, typer.Argument(help="Which page.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if it is out of date.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it.")] = None,
) -> None:
    """Write a reference page from the code (run it in the root of the repository)."""
    file = output or FILES[page]
    text = settings_page() if page is Page.settings else _features_page()
    if check:
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{file} is out of date; run `agent-market docs {page.value}` and commit it")
        echo(f"{file} is up to date")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    echo(f"wrote {file}")


def _features_page() -> str:
    from agent_market.features.features_page import features_page

    return features_page()


def settings_page() -> str:
    """`docs/configuration.md`: every setting with key, type, default, range and its sentence."""
    from agent_market.config import SECTION, AgentMarketSettings

    parts = [
        "# Configuration",
        "Written by `agent-market docs settings` from `agent_market/config/`; change it there.",
        f"All settings stand under the key `{SECTION}` of a freqtrade config. A key that is left out has its "
        "default; a key that does not exist, or a value out of range, is an error that names it.",
        "From the environment, over every file: `FREQTRADE__AGENT_MARKET__LLM__BASE_URL=...` sets "
        f"`{SECTION}.llm.base_url`. Secrets are never settings: `{SECTION}.llm.api_key_env` names the "
        "variable that holds the key.",
    ]
    for name, field in AgentMarketSettings.model_fields.items():
        parts += _section(f"{SECTION}.{name}", field.annotation, field.description or "")
    return "\n\n".join(parts) + "\n"


def _section(key: str, kind: Any, sentence: str) -> Iterator[str]:
    """Heading, sentence and table of one settings type, then of the types it and its lists hold."""
    yield f"## `{key}`"
    yield sentence
    rows = ["| key | type | default | range | |", "|---|---|---|---|---|"]
    nested = []
    for name, field in kind.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            nested.append((f"{key}.{name}", field.annotation, field.description or ""))
            continue
        row_type = _row_type(field.annotation)
        rows.append(
            f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_range(field)} "
            f"| {_cell(field.description or '')} |"
        )
        if row_type is not None:
            nested.append((f"{key}.{name}[]", row_type, f"One row of `{key}.{name}`."))
    yield "\n".join(rows)
    for inner_key, inner_kind, inner_sentence in nested:
        yield from _section(inner_key, inner_kind, inner_sentence)


def _row_type(annotation: Any) -> Any:
    """The settings type that a list setting holds, or None."""
    return next((part for part in get_args(annotation) if hasattr(part, "model_fields")), None)


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{_json(value)}`" for value in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in parts)
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    names = {
        str: "text",
        int: "integer",
        float: "number",
        bool: "true/false",
        Path: "path",
        type(None): "null",
    }
    return names.get(annotation, "rows")


def _default(field: Any) -> str:
    return "required" if field.is_required() else f"`{_json(field.default)}`"


def _range(field: Any) -> str:
    symbols = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
    bounds = [
        f"{symbol} {getattr(constraint, name)}"
        for constraint in field.metadata
        for name, symbol in symbols
        if getattr(constraint, name, None) is not None
    ]
    patterns = [f"`{c.pattern}`" for c in field.metadata if getattr(c, "pattern", None)]
    return _cell(", ".join(bounds + patterns))


def _json(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, default=str)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
