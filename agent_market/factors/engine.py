"""Trees on a panel: each distinct subtree once, kept as long as memory allows."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

import numpy as np

from agent_market.factors.compute import COMPUTE
from agent_market.factors.operators import AT, TIMEFRAMES
from agent_market.factors.panel import Array, CandlePanel
from agent_market.factors.timeframes import Coarse, coarse
from agent_market.factors.tree import FIELD, NUMBER, Tree

CACHE_BYTES = 256 << 20
_KEPT_COST = 2.0


class Engine:
    """Evaluates trees on one panel.

    Results of subtrees are found again by digest (factors from one search share many), least recently used
    first out, never more than `cache_bytes` of them. One engine serves one thread.
    """

    def __init__(self, panel: CandlePanel, cache_bytes: int = CACHE_BYTES) -> None:
        self.panel = panel
        self.hits = 0
        self.misses = 0
        self._cache = _Cache(cache_bytes)
        self._coarse: dict[int, tuple[Coarse, Engine]] = {}
        self._cache_bytes = cache_bytes
        self._awaited: Counter[str] | None = None

    @property
    def cached_bytes(self) -> int:
        """Memory that kept results take."""
        return self._cache.held

    def expect(self, trees: Iterable[Tree]) -> None:
        """Say what will be evaluated, each tree once and in any order.

        Then only what is asked for again is kept, and let go when it was asked for the last time, so the
        memory goes to what saves work. Without it the least recently used goes first.
        """
        awaited: Counter[str] = Counter()
        waiting = list(trees)
        while waiting:
            node = waiting.pop()
            awaited[node.digest] += 1
            if awaited[node.digest] == 1:
                waiting.extend(node.children)
        self._awaited = awaited

    def evaluate(self, tree: Tree) -> Array:
        """Values of the tree: a read-only float64 array (pairs, times), finite or NaN.

        :raises DataError: if it uses `at` with a timeframe that is not a multiple of the panel's.
        """
        with np.errstate(all="ignore"):
            value = self._value(tree)
        if isinstance(value, float):
            value = np.full((len(self.panel.pairs), len(self.panel.times)), value)
        return value

    def _value(self, tree: Tree) -> Array | float:
        if tree.operator == NUMBER:
            return float(tree.constants[0])
        if tree.operator == FIELD:
            return self.panel.columns[str(tree.constants[0])]
        again = self._asked_again(tree)
        found = self._cache.get(tree.digest)
        if found is not None:
            self.hits += 1
            if not again:
                self._cache.drop(tree.digest)
            return found
        self.misses += 1
        if tree.operator == AT.name:
            value = self._at(TIMEFRAMES[str(tree.constants[0])], tree.children[0])
        else:
            value = self._apply(tree)
        value.flags.writeable = False
        # A cheap result costs more in memory than in time, unless it is what several trees stand on.
        if again and tree.cost >= _KEPT_COST:
            self._cache.put(tree.digest, value)
        return value

    def _asked_again(self, tree: Tree) -> bool:
        """Whether the value may be wanted once more after this time."""
        if self._awaited is None:
            return True
        self._awaited[tree.digest] -= 1
        return self._awaited[tree.digest] > 0

    def _apply(self, tree: Tree) -> Array:
        inputs = [self._value(child) for child in tree.children]
        if tree.operator not in _BROADCASTS or all(isinstance(value, float) for value in inputs):
            inputs = [self._spread(value) for value in inputs]
        result: Array = COMPUTE[tree.operator](*inputs, *tree.constants)
        return result

    def _spread(self, value: Array | float) -> Array:
        if not isinstance(value, float):
            return value
        return np.full((len(self.panel.pairs), len(self.panel.times)), value)

    def _at(self, minutes: int, inner: Tree) -> Array:
        if minutes not in self._coarse:
            joined = coarse(self.panel, minutes)
            self._coarse[minutes] = joined, Engine(joined.panel, self._cache_bytes // 16)
        joined, engine = self._coarse[minutes]
        return joined.spread(engine.evaluate(inner))


_BROADCASTS = frozenset(("add", "sub", "mul", "div", "min", "max", "gt", "ge", "lt", "le", "if_else"))


class _Cache:
    """Arrays by key, at most `limit` bytes, least recently used first out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0
        self._arrays: OrderedDict[str, Array] = OrderedDict()

    def get(self, key: str) -> Array | None:
        array = self._arrays.get(key)
        if array is not None:
            self._arrays.move_to_end(key)
        return array

    def drop(self, key: str) -> None:
        self.held -= self._arrays.pop(key).nbytes

    def put(self, key: str, array: Array) -> None:
        if array.nbytes > self._limit:
            return
        self._arrays[key] = array
        self.held += array.nbytes
        while self.held > self._limit:
            _, oldest = self._arrays.popitem(last=False)
            self.held -= oldest.nbytes
