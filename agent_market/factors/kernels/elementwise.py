"""One value in, one value out: numba ufuncs (they broadcast numbers).  What is not finite becomes NaN."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

from numba import vectorize

MAX = 1.7976931348623157e308
NAN = math.nan


@vectorize(["float64(float64, float64)"], cache=True)
def add(x, y):
    r = x + y
    return r if abs(r) <= MAX else NAN


@vectorize(["float64(float64, float64)"], cache=True)
def sub(x, y):
    r = x - y
    return r if abs(r) <= MAX else NAN


@vectorize(["float64(float64, float64)"], cache=True)
def mul(x, y):
    r = x * y
    return r if abs(r) <= MAX else NAN


@vectorize(["float64(float64, float64)"], cache=True)
def div(x, y):
    r = x / y
    return r if abs(r) <= MAX else NAN


@vectorize(["float64(float64, float64)"], cache=True)
def minimum(x, y):
    if x != x or y != y:
        return NAN
    return x if x < y else y


@vectorize(["float64(float64, float64)"], cache=True)
def maximum(x, y):
    if x != x or y != y:
        return NAN
    return x if x > y else y


@vectorize(["float64(float64, float64)"], cache=True)
def gt(x, y):
    if x != x or y != y:
        return NAN
    return 1.0 if x > y else 0.0


@vectorize(["float64(float64, float64)"], cache=True)
def ge(x, y):
    if x != x or y != y:
        return NAN
    return 1.0 if x >= y else 0.0


@vectorize(["float64(float64, float64, float64)"], cache=True)
def if_else(condition, x, y):
    if condition != condition:
        return NAN
    return x if condition != 0.0 else y


@vectorize(["float64(float64)"], cache=True)
def sign(x):
    if x != x:
        return NAN
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)


@vectorize(["float64(float64)"], cache=True)
def log(x):
    return math.log(x) if x > 0.0 else NAN


@vectorize(["float64(float64, float64)"], cache=True)
def signed_power(x, exponent):
    if x != x:
        return NAN
    r = abs(x) ** exponent
    if r > MAX:
        return NAN
    return -r if x < 0.0 else r


@vectorize(["float64(float64, float64)"], cache=True)
def change(x, old):
    """x / old - 1."""
    r = x / old - 1.0
    return r if abs(r) <= MAX else NAN
