"""An opinion as JSON that fits the schema a client asked for.

The rules know the fields of a step (`steps`); of these the schema gets those it has. Numbers are clamped to
its `minimum` and `maximum`, texts and lists cut to `maxLength` and `maxItems`. The result is then validated
against the whole schema: it fits, or the request is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from agent_market.sandbox.model.protocol import RequestRefused
from agent_market.sandbox.model.rules import Opinion


def fields(opinion: Opinion) -> dict[str, Any]:
    """The opinion as plain data: depth rounded to 2 decimals, confidence to 3."""
    return {
        # Adding zero turns -0.0 into 0.0, which would else print as another answer.
        "depth": round(opinion.depth, 2) + 0.0,
        "confidence": round(opinion.confidence, 3) + 0.0,
        "belief": opinion.belief,
        "reasons": list(opinion.reasons),
    }


def fit(said: Mapping[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields as `schema` wants them; all of them without a schema.

    :raises RequestRefused: 400; the schema is not a JSON schema, or asks for what the rules do not have.
    """
    answer = dict(said)
    if schema is None:
        return answer
    validator = _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    properties = schema.get("properties")
    if isinstance(properties, dict):
        answer = {name: _shaped(answer[name], rule) for name, rule in properties.items() if name in answer}
    try:
        misfit = best_match(validator.iter_errors(answer))
    except Unresolvable as error:
        raise _refused(f"the schema refers to what it does not hold: {error}") from error
    if misfit is not None:
        known = ", ".join(said)
        raise _refused(f"the rules cannot fill this schema: {misfit.message}. They have {known}")
    return answer


@lru_cache(maxsize=128)
def _validator(schema: bytes) -> Draft202012Validator:
    parsed = orjson.loads(schema)
    try:
        Draft202012Validator.check_schema(parsed)
    except SchemaError as error:
        raise _refused(f"`json_schema.schema` is no JSON schema: {error.message}") from error
    # An empty registry: a schema must not make the server fetch anything.
    return Draft202012Validator(parsed, registry=Registry())


def _refused(message: str) -> RequestRefused:
    return RequestRefused(400, message, "response_format")


def _shaped(value: Any, rule: Any) -> Any:
    if not isinstance(rule, dict) or value is None:
        return value
    if isinstance(value, int | float):
        value = min(max(value, rule.get("minimum", value)), rule.get("maximum", value))
        return round(value) if rule.get("type") == "integer" else value
    if isinstance(value, str):
        return value[: _length(rule.get("maxLength"))]
    if isinstance(value, Mapping):
        rules = rule.get("properties")
        rules = rules if isinstance(rules, dict) else {}
        return {name: _shaped(part, rules.get(name)) for name, part in value.items()}
    return [_shaped(item, rule.get("items")) for item in value[: _length(rule.get("maxItems"))]]


def _length(limit: float | None) -> int | None:
    # 3.0 is a whole number to JSON schema.
    return None if limit is None else int(limit)
