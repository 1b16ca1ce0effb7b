"""The nearest rows of each prefix found one by one, to hold the fast searches against."""

from __future__ import annotations

import numpy as np

from agent_market.memory.index.exact import nearest_in_prefixes


def naive(rows: np.ndarray, queries: np.ndarray, sizes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = np.full((len(queries), k), np.inf)
    places = np.full((len(queries), k), -1)
    for i, (query, size) in enumerate(zip(queries, sizes, strict=True)):
        difference = rows[:size].astype(np.float64) - query.astype(np.float64)
        squared = np.einsum("ij,ij->i", difference, difference)
        order = np.argsort(squared, kind="stable")[:k]
        distances[i, : len(order)], places[i, : len(order)] = np.sqrt(squared[order]), order
    return distances, places


def require_naive(rows: np.ndarray, queries: np.ndarray, sizes: np.ndarray, k: int) -> None:
    got, expected = nearest_in_prefixes(rows, queries, sizes, k), naive(rows, queries, sizes, k)
    np.testing.assert_array_equal(got[1], expected[1])
    np.testing.assert_array_equal(got[0], expected[0])
