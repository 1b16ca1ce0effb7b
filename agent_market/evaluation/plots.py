"""The picture: what some contenders made over time, as an SVG that a page can show as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

from agent_market.utils.arrays import Floats, Ints

WIDTH, HEIGHT = 860, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 190, 26, 28
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666", "#999999")
MOST_POINTS = 500


def picture(title: str, times: Ints, paths: Mapping[str, Floats], shown: Sequence[str]) -> str:
    """One line a contender, in the order of `shown`, with its name where it ends.

    :param times: (T,) seconds. :param paths: name -> (T,) sum of returns, as fractions.
    """
    step = max(1, len(times) // MOST_POINTS)
    low = min(0.0, *(float(paths[name].min()) for name in shown))
    high = max(0.0, *(float(paths[name].max()) for name in shown))
    span = max(high - low, 1e-9)

    def x(moment: float) -> float:
        return LEFT + (moment - times[0]) / max(int(times[-1] - times[0]), 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / span * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="16" font-size="13">{escape(title)}</text>',
    ]
    for value in _ticks(low, high):
        parts.append(_line(LEFT, y(value), WIDTH - RIGHT, y(value), "#dddddd" if value else "#888888"))
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.0%}</text>')
    for year, moment in _new_years(times):
        parts.append(_line(x(moment), TOP, x(moment), HEIGHT - BOTTOM, "#eeeeee"))
        parts.append(f'<text x="{x(moment):.1f}" y="{HEIGHT - 10}" text-anchor="middle">{year}</text>')
    places = _apart([y(float(paths[name][-1])) for name in shown])
    for i, (name, place) in enumerate(zip(shown, places, strict=True)):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join(
            f"{x(float(t)):.1f},{y(float(v)):.1f}"
            for t, v in zip(times[::step], paths[name][::step], strict=True)
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{points}"/>')
        label = f"{escape(name)} {paths[name][-1]:+.0%}"
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{place + 4:.1f}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _ticks(low: float, high: float) -> list[float]:
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 1e9) if (high - low) / s <= 8)
    return [round(k * step, 10) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _new_years(times: Ints) -> list[tuple[int, int]]:
    years = times.astype("datetime64[s]").astype("datetime64[Y]")
    firsts = np.unique(years)[1:]
    return [(int(y.astype(int)) + 1970, int(y.astype("datetime64[s]").astype(np.int64))) for y in firsts]


def _apart(places: list[float], least: float = 13.0) -> list[float]:
    """The places moved down, in order, until no two are nearer than `least`."""
    moved = list(places)
    last = -np.inf
    for i in sorted(range(len(places)), key=places.__getitem__):
        moved[i] = last = max(places[i], last + least)
    return moved


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
