"""`agent-market docs`: reference pages generated from the code, so that they cannot drift from it."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from agent_market.errors import ConfigError
from agent_market.utils.plain_text import echo


class Page(StrEnum):
    """A reference page that can be generated."""

    settings = "settings"
    features = "features"
    library = "library"


TYPE_NAMES = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true/false",
    Path: "path",
    type(None): "null",
}

LONGEST_SIGNATURE = 100

FILES = {
    Page.settings: Path("docs/reference/configuration.md"),
    Page.features: Path("docs/reference/features.md"),
    Page.library: Path("docs/reference/library.md"),
}


def docs(
    page: Annotated[Page, typer.Argument(help="Which page.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if it is out of date.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it.")] = None,
) -> None:
    """Write a reference page from the code (run it in the root of the repository)."""
    file = output or FILES[page]
    text = {Page.settings: settings_page, Page.features: _features_page, Page.library: library_page}[page]()
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


def library_page() -> str:
    """`docs/reference/library.md`: each name of `agent_market.__all__` with signature and docstring."""
    import agent_market

    parts = [
        "# Library",
        "Written by `agent-market docs library` from the docstrings of what `import agent_market` offers; "
        "change it there. An array's shape stands in parentheses: (T, P, N) are moments, pairs and experts.",
    ]
    for name in agent_market.__all__:
        value = getattr(agent_market, name)
        parts += [f"## {name}", _signature(name, value), *_doc(value)]
        if inspect.isclass(value) and name != "AgentMarketSettings":
            for method, member in _own_methods(value):
                parts += [f"### {name}.{method}", _signature(method, member), *_doc(member)]
    return "\n\n".join(parts) + "\n"


def _signature(name: str, value: Any) -> str:
    if inspect.isclass(value) and (is_pydantic(value) or getattr(value, "_is_protocol", False)):
        return f"```python\nclass {name}\n```"
    if isinstance(value, property):
        return f"```python\n{name}  # property\n```"
    given = inspect.signature(value)
    parameters = [
        re.sub(r"'([^']+)'(?=$| =)", r"\1", str(parameter))
        for parameter in given.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    returned = given.return_annotation
    arrow = f" -> {returned}" if isinstance(returned, str) and not inspect.isclass(value) else ""
    line = f"{name}({', '.join(parameters)}){arrow}"
    if len(line) > LONGEST_SIGNATURE:
        line = f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){arrow}"
    return f"```python\n{line}\n```"


def is_pydantic(value: type) -> bool:
    """Whether a class is a settings type; its fields are documented in the page of the settings."""
    return hasattr(value, "model_fields")


def _own_methods(value: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(value).items():
        found = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if not name.startswith("_") and (inspect.isfunction(found) or isinstance(found, property)):
            yield name, found


def _doc(value: Any) -> Iterator[str]:
    """The docstring as Markdown: parameters, return value and errors become a list."""
    text, _, fields = (inspect.getdoc(value) or "").partition("\n:")
    if text.startswith(":"):
        text, fields = "", text[1:]
    if text:
        yield text.rstrip()
    if fields:
        rows = (row.partition(":") for row in re.split(r"\n:", fields))
        yield "\n".join(f"- {_field(head)} {' '.join(tail.split())}" for head, _, tail in rows)


def _field(head: str) -> str:
    kind, _, name = head.strip().partition(" ")
    return {"param": f"`{name}`:", "raises": f"Raises `{name}`:"}.get(kind, "Returns")


def settings_page() -> str:
    """`docs/reference/configuration.md`: every setting with key, type, default, range and its sentence."""
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
