"""The operators: one row each, and the only place that says which exist and what they mean.

Every operator is causal: a value at one time depends on rows up to that time only.  The engine
(`compute`), the pandas reference (`reference`), the parser, the random generator and the table in
`docs/concepts/factors.md` all follow this table; a test fails where one of them does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agent_market.factors import type_rules

Role = Literal["series", "window", "lag", "number", "timeframe"]
Group = Literal["arithmetic", "condition", "time series", "two time series", "cross-section", "timeframe"]
Value = int | float | str

FULL_SHARE = 0.8
EMA_SPANS = 3
MIN_PAIRS = 2

ANY = "an input is NaN"
WINDOW = "fewer than 80% of the window's values are present"
WINDOW_AND_NOW = "the newest value is NaN, or fewer than 80% of the window's values are present"
BOTH_WINDOW = "fewer than 80% of the window's rows have both values"
CROSS = "its own input is NaN, or fewer than 2 pairs have a value then"

TIMEFRAMES: dict[str, int] = {
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
}
"""Timeframes that `at` knows, in minutes: those that divide a day, so that bars start at midnight UTC."""


def full_enough(window: int) -> int:
    """Fewest values that a window must hold to give a result: 80% of it, rounded up."""
    return math.ceil(FULL_SHARE * window)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of an operator: a series, or a constant with its range (both ends included)."""

    name: str
    role: Role = "series"
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    `rule` gives the kind of the result; `rows(constants)` the rows before the current one that it reads;
    `cost(constants)` an estimate in nanoseconds per value on one core; `nan` completes "NaN where ...";
    `swaps` says that the order of the two series does not matter; `synonyms` are names from other
    libraries, for the hint when somebody writes one.
    """

    name: str
    group: Group
    parameters: tuple[Parameter, ...]
    rule: type_rules.Rule
    meaning: str
    nan: str = ANY
    rows: Callable[[tuple[Value, ...]], int] = lambda constants: 0
    cost: Callable[[tuple[Value, ...]], float] = lambda constants: 1.0
    swaps: bool = False
    synonyms: tuple[str, ...] = ()

    @property
    def series(self) -> int:
        """How many series it takes."""
        return sum(parameter.role == "series" for parameter in self.parameters)

    @property
    def constants(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if parameter.role != "series")

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(parameter.name for parameter in self.parameters)})"


X = Parameter("x")
Y = Parameter("y")
CONDITION = Parameter("condition")


def _window(low: int = 2) -> Parameter:
    return Parameter("window", "window", low)


def _span(constants: tuple[Value, ...]) -> int:
    return int(constants[0]) - 1


def _lag(constants: tuple[Value, ...]) -> int:
    return int(constants[0])


def _flat(nanoseconds: float) -> Callable[[tuple[Value, ...]], float]:
    return lambda constants: nanoseconds


def _linear(start: float, per_row: float) -> Callable[[tuple[Value, ...]], float]:
    return lambda constants: start + per_row * int(constants[0])


def _rolling(
    name: str,
    rule: type_rules.Rule,
    meaning: str,
    cost: float,
    nan: str = WINDOW,
    low: int = 2,
    synonyms: tuple[str, ...] = (),
) -> Operator:
    return Operator(
        name, "time series", (X, _window(low)), rule, meaning, nan, _span, _flat(cost), synonyms=synonyms
    )


def _pairwise(
    name: str, rule: type_rules.Rule, meaning: str, swaps: bool, synonyms: tuple[str, ...]
) -> Operator:
    return Operator(
        name,
        "two time series",
        (X, Y, _window(3)),
        rule,
        meaning,
        BOTH_WINDOW,
        _span,
        _flat(11.0),
        swaps,
        synonyms,
    )


_ARITHMETIC = (
    Operator("add", "arithmetic", (X, Y), type_rules.sum_of, "x + y", swaps=True, synonyms=("plus",)),
    Operator("sub", "arithmetic", (X, Y), type_rules.sum_of, "x - y", synonyms=("minus", "subtract")),
    Operator("mul", "arithmetic", (X, Y), type_rules.product,
        "x * y", swaps=True, synonyms=("multiply", "times")),
    Operator(
        "div", "arithmetic", (X, Y), type_rules.quotient, "x / y", "an input is NaN, or y is 0",
        synonyms=("divide", "truediv"),
    ),
    Operator("neg", "arithmetic", (X,), type_rules.negative, "-x"),
    Operator("abs", "arithmetic", (X,), type_rules.magnitude, "absolute value", synonyms=("fabs",)),
    Operator("sign", "arithmetic", (X,), type_rules.bounded, "-1, 0 or 1"),
    Operator(
        "log", "arithmetic", (X,), type_rules.free_to_ratio, "natural logarithm", "x is NaN or not above 0",
        cost=_flat(8.0), synonyms=("ln",),
    ),
    Operator(
        "signed_power", "arithmetic", (X, Parameter("exponent", "number", 0.1, 4)), type_rules.free_to_ratio,
        "sign(x) * abs(x) ** exponent", cost=_flat(25.0), synonyms=("power", "pow", "signedpower", "sqrt"),
    ),
    Operator("tanh", "arithmetic", (X,), type_rules.free_to_bounded, "hyperbolic tangent", cost=_flat(12.0)),
    Operator(
        "clip", "arithmetic", (X, Parameter("low", "number"), Parameter("high", "number")),
        type_rules.free_to_ratio, "x held within [low, high]",
    ),
    Operator("min", "arithmetic", (X, Y), type_rules.either_of, "the smaller of two", swaps=True,
             synonyms=("minimum",)),
    Operator("max", "arithmetic", (X, Y), type_rules.either_of, "the larger of two", swaps=True,
             synonyms=("maximum",)),
)  # fmt: skip

_CONDITIONS = (
    Operator("gt", "condition", (X, Y), type_rules.compared, "x > y", synonyms=("greater",)),
    Operator("ge", "condition", (X, Y), type_rules.compared, "x >= y"),
    Operator("lt", "condition", (X, Y), type_rules.compared, "x < y", synonyms=("less",)),
    Operator("le", "condition", (X, Y), type_rules.compared, "x <= y"),
    Operator("logical_and", "condition", (X, Y), type_rules.logical,
        "x and y", swaps=True, synonyms=("and_",)),
    Operator("logical_or", "condition", (X, Y), type_rules.logical, "x or y", swaps=True, synonyms=("or_",)),
    Operator("logical_not", "condition", (X,), type_rules.logical, "not x", synonyms=("not_",)),
    Operator(
        "if_else", "condition", (CONDITION, X, Y), type_rules.chosen, "x where the condition holds, else y",
        "the condition or the chosen input is NaN", synonyms=("where", "iif", "cond"),
    ),
)  # fmt: skip

_LAGS = (
    Operator(
        "delay", "time series", (X, Parameter("lag", "lag", 1)), type_rules.keep,
            "the value `lag` candles ago",
        "that value is NaN", _lag, synonyms=("ref", "shift", "lag"),
    ),
    Operator(
        "delta", "time series", (X, Parameter("lag", "lag", 1)), type_rules.same_unit_one,
        "x - delay(x, lag)", ANY, _lag, synonyms=("diff",),
    ),
    Operator(
        "ts_return", "time series", (X, Parameter("lag", "lag", 1)), type_rules.ratio,
        "x / delay(x, lag) - 1", "either value is NaN, or the older is 0", _lag,
        synonyms=("returns", "pct_change", "roc", "change"),
    ),
)  # fmt: skip

_WINDOWS = (
    _rolling("ts_sum", type_rules.same_unit_one, "mean of the window's values times the window", 4.0,
             synonyms=("sum", "rolling_sum")),
    _rolling("ts_mean", type_rules.average, "mean", 4.0, synonyms=("mean", "sma", "ma", "rolling_mean")),
    _rolling("ts_std", type_rules.same_unit_one, "sample standard deviation (n - 1)", 6.0,
             synonyms=("std", "stddev", "ts_stddev", "volatility")),
    _rolling("zscore", type_rules.ratio,
        "(x - ts_mean) / ts_std; NaN also where ts_std is 0", 7.0, WINDOW_AND_NOW,
             3, synonyms=("ts_zscore",)),
    _rolling("ts_skew", type_rules.ratio, "sample skewness, bias adjusted; NaN where the deviation is 0",
             9.0, low=5, synonyms=("skew",)),
    _rolling("ts_kurt", type_rules.ratio, "sample excess kurtosis; NaN where the deviation is 0", 9.0, low=5,
             synonyms=("kurt", "kurtosis")),
    _rolling("ts_min", type_rules.keep, "smallest value", 5.0, synonyms=("rolling_min", "lowest")),
    _rolling("ts_max", type_rules.keep, "largest value", 5.0, synonyms=("rolling_max", "highest")),
    _rolling("ts_argmin", type_rules.bounded, "age of the smallest value: 0 newest row, 1 oldest", 7.0,
             synonyms=("argmin", "idxmin")),
    _rolling("ts_argmax", type_rules.bounded, "age of the largest value: 0 newest row, 1 oldest", 7.0,
             synonyms=("argmax", "idxmax")),
    _rolling("ts_position", type_rules.bounded,
             "(x - ts_min) / (ts_max - ts_min): 0 at the low, 1 at the high; NaN where they are equal", 11.0,
             WINDOW_AND_NOW, synonyms=("ts_scale", "stochastic")),
    Operator(
        "ts_rank", "time series", (X, _window()), type_rules.bounded,
        "share of the window's values at or below x, ties counted half: (0, 1]", WINDOW_AND_NOW, _span,
        _linear(3.0, 0.6), synonyms=("rank_ts", "percentile"),
    ),
    Operator(
        "ts_median", "time series", (X, _window()), type_rules.average, "median", WINDOW, _span,
        _linear(30.0, 0.5), synonyms=("median",),
    ),
    _rolling("decay_linear", type_rules.average, "mean weighted 1 (oldest) to window (newest)", 6.0,
             synonyms=("wma", "ts_decay_linear")),
    Operator(
        "ts_ema", "time series", (X, Parameter("span", "window", 2)), type_rules.average,
        f"exponentially weighted mean, decay 2 / (span + 1), over the newest {EMA_SPANS} * span rows "
        "(99.7% of all weight)",
        f"fewer than 80% of those {EMA_SPANS} * span values are present",
        lambda constants: EMA_SPANS * int(constants[0]) - 1, _flat(6.0), synonyms=("ema", "ewm", "ewma"),
    ),
    _rolling("ts_slope", type_rules.same_unit_one, "least-squares slope per candle", 7.0, low=3,
             synonyms=("slope", "linreg_slope")),
)  # fmt: skip

_PAIRWISE = (
    _pairwise("ts_corr", type_rules.bounded, "Pearson correlation; NaN where either is constant", True,
              ("corr", "correlation")),
    _pairwise("ts_cov", type_rules.covariance, "sample covariance (n - 1)", True, ("cov", "covariance")),
    _pairwise("ts_beta", type_rules.slope_of, "least-squares slope of x on y; NaN where y is constant", False,
              ("beta", "regression")),
)  # fmt: skip

_CROSS = (
    Operator("cs_rank", "cross-section", (X,), type_rules.across_bounded,
             "share of the pairs at or below this one at that time, ties counted half: (0, 1]", CROSS,
             cost=_flat(12.0), synonyms=("rank",)),
    Operator("cs_zscore", "cross-section", (X,), type_rules.across,
             "(x - mean) / sample deviation over the pairs; NaN where all are equal", CROSS, cost=_flat(6.0),
             synonyms=("zscore_cs", "standardize")),
    Operator("cs_demean", "cross-section", (X,), type_rules.across_same,
        "x less the mean of the pairs", CROSS,
             cost=_flat(4.0), synonyms=("demean", "neutralize")),
    Operator("cs_scale", "cross-section", (X,), type_rules.across_bounded,
             "x / sum of abs(x) over the pairs; NaN where the sum is 0", CROSS, cost=_flat(4.0),
             synonyms=("scale",)),
    Operator("cs_mean", "cross-section", (X,), type_rules.across_same, "mean of the pairs", CROSS,
             cost=_flat(4.0), synonyms=("market",)),
)  # fmt: skip

AT = Operator(
    "at",
    "timeframe",
    (Parameter("timeframe", "timeframe"), X),
    type_rules.keep,
    "x computed on candles of a longer timeframe (parts of the UTC day), as of the last one that has closed",
    "x is NaN there; no such candle has closed yet",
    cost=_flat(2.0),
    synonyms=("resample", "on", "timeframe"),
)

OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (*_ARITHMETIC, *_CONDITIONS, *_LAGS, *_WINDOWS, *_PAIRWISE, *_CROSS, AT)
}
"""Every operator by name."""

SYNONYMS: dict[str, str] = {
    synonym: operator.name for operator in OPERATORS.values() for synonym in operator.synonyms
}
"""Names that other libraries use, and ours for the same thing."""
