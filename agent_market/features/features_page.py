"""`docs/reference/features.md`, made from the table of features so that the two cannot drift apart."""

from __future__ import annotations

from agent_market.features.features import FEATURES, VOLATILITY_FLOOR, WARM_UP, FeatureSpec
from agent_market.features.state import STATE_FEATURES

_HEAD = f"""# Features

Written from `FEATURES` in `agent_market/features/features.py`
(`python -m agent_market.features.features_page > docs/reference/features.md`); change it there.

What each agent sees of a pair's candles. Every feature is causal (row t reads candles up to t), scale free
(no price, no volume in absolute units) and has finite memory: it is the same whether {WARM_UP} candles or
years precede it. It is unknown (NaN, and absent in a `MarketView`) until its window is full and where the
window holds a candle without a price or volume; it is never infinite.

`C H L V` are a candle's close, high, low and volume, `X[-n]` is X of n candles earlier, `r = ln(C / C[-1])`.
Windows count candles and include the current one. Nothing is divided by a volatility under
{VOLATILITY_FLOOR:g} per candle. The **state** column marks what memory compares two moments by.
"""

_TAIL = """## Beside the candles

| name | meaning | formula | range | source |
|---|---|---|---|---|
| `turbulence` | how unusual the joint move of all pairs is | \
(y - mu)' S^-1 (y - mu) / n; mean mu and shrunk covariance S from the `turbulence_window` candles before | \
>= 0, about 1 in an ordinary market | Kritzman & Li 2010; Kinlaw & Turkington 2014 |
| `turbulence_percentile` | its rank among those of the last `turbulence_window` candles | \
(rank - 1) / (known - 1) | 0..1 |  |
| `regime` | label of direction and calm | `up`, `down` or `chop` by trend beyond +-1; \
`wild` from the 2/3 volatility percentile on, else `calm` | `up-calm`, `down-wild`, ..., `unknown` |  |
"""


def features_page() -> str:
    """The whole page, one table a group in the order of `FEATURES`."""
    groups = dict.fromkeys(spec.group for spec in FEATURES)
    return "\n".join([_HEAD, *(_section(group) for group in groups), _TAIL])


def _section(group: str) -> str:
    lines = [f"## {group.capitalize()}", "", "| name | meaning | formula | range | state | source |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [_row(spec) for spec in FEATURES if spec.group == group]
    return "\n".join(lines) + "\n"


def _row(spec: FeatureSpec) -> str:
    state = "yes" if spec.name in STATE_FEATURES else ""
    cells = (f"`{spec.name}`", spec.meaning, spec.formula, spec.range, state, spec.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(features_page(), end="")
