"""Format numbers alike on the console, in reports and in feedback. Unknown is a dash."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN = "–"
MINUS = "\u2212"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number with a typographic minus; never `-0.00`."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.{digits}f}"
    if text.startswith("-"):
        return text[1:] if float(text.replace(",", "")) == 0 else MINUS + text[1:]
    return text


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as per cent, e.g. 0.123 -> `12.3%`."""
    return UNKNOWN if value is None else f"{number(value * 100, digits)}%"


def signed_percent(value: float | None, digits: int = 1) -> str:
    """As `percent`, with a plus sign on gains."""
    return UNKNOWN if value is None else signed(number(value * 100, digits)) + "%"


def basis_points(value: float | None, digits: int = 1) -> str:
    """A fraction in basis points with its sign, e.g. 0.00123 -> `+12.3 bp`."""
    return UNKNOWN if value is None else signed(in_basis_points(value, digits)) + " bp"


def in_basis_points(value: float, digits: int = 1) -> str:
    """As `basis_points` without unit and plus; what is not zero is not written as zero."""
    points = value * 1e4
    written = number(points, digits)
    is_hidden = points != 0 and not written.strip("0.,")
    return number(points, digits + 2) if is_hidden else written


def signed(text: str) -> str:
    """Put a plus before a written number that is above zero."""
    is_zero = not text.strip("0.,")
    return text if text.startswith(MINUS) or is_zero else f"+{text}"


def listed(names: Sequence[str], word: str) -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
