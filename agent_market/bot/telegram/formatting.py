"""Plain text as messages that Telegram takes: escaped, in short enough parts, the first line bold."""

from __future__ import annotations

from html import escape

from agent_market.utils.plain_text import plain

LONGEST = 3_800
"""Characters of a part before escaping; Telegram takes 4,096 after parsing."""
MOST_PARTS = 5


def messages(text: str) -> tuple[str, ...]:
    """The HTML of each message for `text`; what is beyond `MOST_PARTS` is left out, and it says so."""
    parts = _parts(plain(text).strip() or "-")
    if len(parts) > MOST_PARTS:
        parts = [
            *parts[: MOST_PARTS - 1],
            f"{parts[MOST_PARTS - 1][: LONGEST - 40]}\n... (the rest is left out)",
        ]
    first, _, rest = parts[0].partition("\n")
    head = f"<b>{escape(first)}</b>" + (f"\n{escape(rest)}" if rest else "")
    return (head, *(escape(part) for part in parts[1:]))


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    current = ""
    for line in text.split("\n"):
        for start in range(0, max(len(line), 1), LONGEST):
            piece = line[start : start + LONGEST]
            if current and len(current) + 1 + len(piece) > LONGEST:
                parts.append(current)
                current = piece
            else:
                current = f"{current}\n{piece}" if current else piece
    return [*parts, current]
