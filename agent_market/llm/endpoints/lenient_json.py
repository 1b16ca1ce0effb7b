"""Reading JSON that a stranger sent: whatever is beside the point must not cost the answer."""

from __future__ import annotations

import json
from typing import Any

MAX_DIGITS = 30


class NotJson(ValueError):
    """The bytes are not a JSON document; the message says why."""


def loads(data: bytes) -> Any:
    """The document in `data`: UTF-8 with or without a byte order mark, zero bytes and blanks around it.

    Integers of more than `MAX_DIGITS` digits become infinite floats: Python refuses to read some thousand
    digits, and one absurd number must not cost what stands beside it. NaN and Infinity are floats.

    :raises NotJson: for everything else, also for nesting that is too deep.
    """
    text = data.decode("utf-8-sig", "replace").strip("\x00 \t\r\n\ufeff")
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float("-inf" if digits[0] == "-" else "inf")
