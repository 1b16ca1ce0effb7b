"""What every settings class is: frozen and strict about keys; its errors name the key and what to do."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_market.errors import ConfigError

SECTION = "agent_market"


T = TypeVar("T", bound="Settings")


class Settings(BaseModel):
    """Base of every settings type: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def parse_settings(kind: type[T], raw: object, where: str) -> T:
    """Validate `raw` as `kind`; a `ConfigError` lists every bad key as `where.key`."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(kind, where, dict(problem)) for problem in error.errors()]
        raise ConfigError("; ".join(lines)) from error


def _explain(kind: type[Settings], where: str, problem: dict[str, Any]) -> str:
    path = [str(part) for part in problem["loc"]]
    key = ".".join([where, *path])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, path[:-1])
        close = [f"`{name}`" for name in difflib.get_close_matches(path[-1], known, n=2)]
        hint = f"did you mean {' or '.join(close)}?" if close else f"known keys: {', '.join(sorted(known))}"
        return f"unknown setting `{key}` = {problem['input']!r}; {hint}"
    return f"bad setting `{key}` = {problem['input']!r}: {problem['msg']}"


def _known_keys(kind: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        if part.isdigit():
            continue
        annotation = kind.model_fields[part].annotation
        candidates = (annotation, *get_args(annotation))
        kind = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(kind.model_fields)


FEEDBACK_FOLDER = Path("llm_feedback")
