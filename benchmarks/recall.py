"""Exact recall as of each query's own moment: a whole backtest in one call, and one query over long vectors.

All of it on one core, on random vectors, in one process:

* k = 10 nearest of 100,000 queries among 100,000 episodes of 32 numbers, each query seeing only what was
  known by its moment, against one FAISS `IndexFlat` search with `IDSelectorRange` per query. The peer is
  timed on a random sample of the same queries, for it takes minutes; all its answers are compared with ours;
* one query over 100,000 text vectors of 384 numbers, as an agent's prompt asks: p95 must be at most 10 ms,
  and recall@10 against float64 arithmetic over all rows must be 1.000;
* 1,000,000 x 32 (a sample of queries), and the bytes that an episode takes in memory.

`value` is queries a second of the first, `ratio` how many times the peer's.

    python benchmarks/recall.py [--episodes 100000] [--sample 2000] [--repeats 3] [--million]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402

import faiss  # noqa: E402
import numpy as np  # noqa: E402

from agent_market.memory.index.exact import squared_distances  # noqa: E402
from agent_market.memory.index.vectors import PointInTimeVectors  # noqa: E402

K = 10
STATE, TEXT = 32, 384
SINGLE_LIMIT_MS = 10.0
SINGLE_QUERIES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=2_000, help="queries that the peer is timed on")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--million", action="store_true", help="also 1,000,000 x 32, on 20,000 queries")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(7)
    ours, peer = _backtest(rng, options.episodes, options.episodes, options.sample, options.repeats)
    _text_query(rng, options.episodes)
    if options.million:
        _backtest(rng, 1_000_000, 20_000, options.sample // 10, 1)
    print(
        json.dumps(
            {
                "name": "recall",
                "value": round(ours),
                "unit": "exact as-of queries a second, one core",
                "against": f"one IndexFlat search with IDSelectorRange per query, {peer:.0f} a second",
                "ratio": round(ours / peer, 2),
            }
        )
    )


def _backtest(
    rng: np.random.Generator, episodes: int, asked: int, sample: int, repeats: int
) -> tuple[float, float]:
    """Queries a second of ours, all at once, and of the peer, one by one; the best of each, in turns."""
    vectors = rng.normal(size=(episodes, STATE)).astype(np.float32)
    queries = rng.normal(size=(asked, STATE)).astype(np.float32)
    # Episode n is known at n; the queries' moments are spread evenly over all that time.
    asofs = np.sort(rng.integers(0, episodes, size=asked))
    rows = PointInTimeVectors.over(np.arange(episodes), np.arange(episodes), vectors)
    flat = faiss.IndexFlatL2(STATE)
    flat.add(vectors)
    ours, peer = [], []
    for _ in range(repeats):
        chosen = np.sort(rng.choice(asked, size=min(sample, asked), replace=False))
        half = len(chosen) // 2
        before, before_s = _one_by_one(flat, queries, asofs, chosen[:half])
        started = time.process_time()
        distances, places = rows.search(queries, asofs, K)
        ours.append(asked / (time.process_time() - started))
        after, after_s = _one_by_one(flat, queries, asofs, chosen[half:])
        peer.append(len(chosen) / (before_s + after_s))
        _require_equal(distances[chosen], places[chosen], before + after)
        print(
            f"{episodes:,} x {STATE}, {asked:,} queries: ours {ours[-1]:,.0f}/s, FAISS one by one "
            f"{peer[-1]:,.0f}/s ({len(chosen):,} of them compared: equal), "
            f"{rows.nbytes / episodes:.0f} bytes an episode",
            flush=True,
        )
    return max(ours), max(peer)


def _one_by_one(
    flat: faiss.IndexFlatL2, queries: np.ndarray, asofs: np.ndarray, chosen: np.ndarray
) -> tuple[list[tuple[np.ndarray, np.ndarray]], float]:
    """Answers of the peer, and the seconds that they took."""
    started = time.process_time()
    answers = []
    for i in chosen.tolist():
        seen = faiss.SearchParameters(sel=faiss.IDSelectorRange(0, int(asofs[i]) + 1))
        answers.append(flat.search(queries[i : i + 1], K, params=seen))
    return answers, time.process_time() - started


def _require_equal(
    distances: np.ndarray, places: np.ndarray, answers: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    """It rounds to float32: equal means the same places, but for distances that it cannot tell apart."""
    theirs = np.sqrt(np.concatenate([d for d, _ in answers]).astype(np.float64))
    found = np.concatenate([p for _, p in answers])
    there = found >= 0
    if not np.array_equal(there, places >= 0):
        raise SystemExit("ours and FAISS found different numbers of neighbours")
    if not np.allclose(distances[there], theirs[there], rtol=1e-5):
        raise SystemExit("ours and FAISS disagree about distances")
    other = there & (found != places)
    ties = np.zeros_like(other)
    ties[:, 1:] |= np.isclose(theirs[:, 1:], theirs[:, :-1], rtol=1e-6)
    ties[:, :-1] |= ties[:, 1:]
    if (other & ~ties).any():
        raise SystemExit(f"ours and FAISS found different neighbours in {int((other & ~ties).sum())} places")


def _text_query(rng: np.random.Generator, episodes: int) -> None:
    vectors = rng.normal(size=(episodes, TEXT)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = rng.normal(size=(SINGLE_QUERIES, TEXT)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    asofs = rng.integers(episodes * 9 // 10, episodes, size=SINGLE_QUERIES)
    rows = PointInTimeVectors.over(np.arange(episodes), np.arange(episodes), vectors)
    rows.search(queries[:1], asofs[:1], K)  # compresses the rows, once
    taken, hits = [], 0
    for query, asof in zip(queries, asofs.tolist(), strict=True):
        started = time.process_time()
        _, places = rows.search(query[None], [asof], K)
        taken.append(time.process_time() - started)
        exact = squared_distances(vectors[: asof + 1], query)
        hits += len(set(np.argpartition(exact, K)[:K].tolist()) & set(places[0].tolist()))
    p50, p95 = np.percentile(taken, [50, 95]) * 1e3
    recall = hits / (K * SINGLE_QUERIES)
    print(
        f"{episodes:,} x {TEXT}, one query: p50 {p50:.1f} ms, p95 {p95:.1f} ms "
        f"(limit {SINGLE_LIMIT_MS:.0f}), recall@{K} {recall:.3f}, "
        f"{rows.nbytes / episodes:.0f} bytes an episode"
    )


if __name__ == "__main__":
    main()
