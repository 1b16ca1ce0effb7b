"""Recall of evidence by text on LoCoMo, beside plain BM25.

LoCoMo (Maharana et al. 2024, "Evaluating Very Long-Term Conversational Memory of LLM Agents") asks questions
about long conversations and names the turns that hold the answer. Each conversation is one memory; a turn is
one text, the turns around it are its context. A question's recall is the share of its evidence among the
first 5 or 10 found; its reciprocal rank is that of the first evidence found. Both are averaged over all
questions that name evidence.

The data is not shipped (CC BY-NC 4.0). Get `data/locomo10.json` from the repository snap-research/locomo on
GitHub, and give its path:

    python benchmarks/text_recall.py locomo10.json [--embedder NAME_OR_FOLDER] [--window 1]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s

from agent_market.config import TextSettings
from agent_market.memory.text.embedder import Embedder, SentenceEmbedder
from agent_market.memory.text.index import TextIndex, TextItem

DEPTHS = (5, 10)
_SESSION = re.compile(r"session_\d+")
HOW_TO_GET_IT = """\
text_recall needs LoCoMo's locomo10.json, which is not shipped (licence CC BY-NC 4.0: not for commercial use).
Get data/locomo10.json from https://github.com/snap-research/locomo and run
    python benchmarks/text_recall.py /path/to/locomo10.json"""

Ranking = list[str]
Search = Callable[[str, int], Ranking]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: its id, what was said, and the turns around it."""

    id: str
    text: str
    context: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the ids of the turns that answer it, and LoCoMo's category (5 = has no answer)."""

    text: str
    evidence: frozenset[str]
    category: int


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--embedder", help="sentence-transformers model for the dense channel")
    parser.add_argument("--window", type=int, default=1, help="turns before and after that are context")
    options = parser.parse_args(arguments)
    if options.file is None or not options.file.is_file():
        print(HOW_TO_GET_IT if options.file is None else f"{options.file} is no file.\n{HOW_TO_GET_IT}")
        return 2
    embedder = SentenceEmbedder(options.embedder) if options.embedder else None
    memories = list(read(json.loads(options.file.read_text(encoding="utf-8")), options.window))
    ours = Measured("text recall")
    plain = Measured("plain BM25 (bm25s)")
    for turns, questions in memories:
        answerable = [q for q in questions if q.evidence]
        ours.ask(answerable, text_recall(turns, embedder))
        plain.ask(answerable, plain_bm25(turns))
    print(
        f"{len(memories)} conversations, {sum(len(t) for t, _ in memories):,} turns, {ours.asked:,} questions"
    )
    for measured in (ours, plain):
        print(measured.line())
    ratio = ours.recall(10) / plain.recall(10) if plain.recall(10) else None
    result = {
        "name": "text_recall",
        "value": round(ours.recall(10), 4),
        "unit": "recall@10",
        "against": f"plain BM25 {plain.recall(10):.4f}; dense channel: {options.embedder or 'off'}",
        "ratio": None if ratio is None else round(ratio, 3),
        "recall_at_5": round(ours.recall(5), 4),
        "mrr": round(ours.mean_reciprocal_rank, 4),
    }
    print(json.dumps(result))
    return 0


class Measured:
    """Recall and reciprocal rank over the questions asked so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self._recalled = dict.fromkeys(DEPTHS, 0.0)
        self._reciprocal = 0.0

    def ask(self, questions: Sequence[Question], search: Search) -> None:
        """Put questions with evidence to a search."""
        for question in questions:
            found = search(question.text, len(question.evidence) + 100)
            self.asked += 1
            for depth in DEPTHS:
                shared = question.evidence.intersection(found[:depth])
                self._recalled[depth] += len(shared) / len(question.evidence)
            first = next((n for n, turn in enumerate(found, 1) if turn in question.evidence), None)
            self._reciprocal += 0.0 if first is None else 1.0 / first

    def recall(self, depth: int) -> float:
        return self._recalled[depth] / self.asked if self.asked else 0.0

    @property
    def mean_reciprocal_rank(self) -> float:
        return self._reciprocal / self.asked if self.asked else 0.0

    def line(self) -> str:
        shares = "  ".join(f"recall@{depth} {self.recall(depth):.3f}" for depth in DEPTHS)
        return f"{self.name:20} {shares}  MRR {self.mean_reciprocal_rank:.3f}"


def read(samples: Sequence[dict[str, Any]], window: int) -> Iterator[tuple[list[Turn], list[Question]]]:
    """Turns and questions of each conversation. Evidence that names no turn of it is left out."""
    for sample in samples:
        turns = list(_turns(sample["conversation"], window))
        known = {turn.id for turn in turns}
        questions = [
            Question(qa["question"], frozenset(_ids(qa.get("evidence", ()))) & known, int(qa["category"]))
            for qa in sample["qa"]
        ]
        yield turns, questions


def text_recall(turns: Sequence[Turn], embedder: Embedder | None) -> Search:
    """Our recall. Merging is off: two turns that say the same are two places of evidence."""
    index = TextIndex(TextSettings(merge_overlap=1.0), embedder, [_item(n, t) for n, t in enumerate(turns)])

    def search(question: str, k: int) -> Ranking:
        ids = []
        for hit in index.search(question, len(turns), k):
            ids += [hit.item.id, *hit.merged]
        return ids

    return search


def plain_bm25(turns: Sequence[Turn]) -> Search:
    """`bm25s` as its own documentation uses it: English stop words, no stemming, turns alone."""

    retriever = bm25s.BM25()
    retriever.index(
        bm25s.tokenize([t.text for t in turns], stopwords="en", show_progress=False), show_progress=False
    )

    def search(question: str, k: int) -> Ranking:
        query = bm25s.tokenize(question, stopwords="en", show_progress=False)
        places, _ = retriever.retrieve(query, k=min(k, len(turns)), show_progress=False)
        return [turns[int(place)].id for place in places[0]]

    return search


def _turns(conversation: dict[str, Any], window: int) -> Iterator[Turn]:
    sessions = sorted(
        (
            key
            for key in conversation
            if key.startswith("session_") and key.removeprefix("session_").isdigit()
        ),
        key=lambda key: int(key.removeprefix("session_")),
    )
    for session in sessions:
        said = [_said(turn) for turn in conversation[session]]
        for n, turn in enumerate(conversation[session]):
            around = said[max(0, n - window) : n] + said[n + 1 : n + 1 + window]
            yield Turn(turn["dia_id"], said[n], " ".join(around))


def _said(turn: dict[str, Any]) -> str:
    shown = f" [{turn['blip_caption']}]" if turn.get("blip_caption") else ""
    return f"{turn['speaker']}: {turn['text']}{shown}"


def _ids(evidence: Sequence[str]) -> Iterator[str]:
    """Some entries of the file hold several ids in one text."""
    for entry in evidence:
        yield from entry.replace(";", " ").replace(",", " ").split()


def _item(n: int, turn: Turn) -> TextItem:
    return TextItem(turn.id, turn.text, known_at=n, valid_from=n, context=turn.context)


if __name__ == "__main__":
    sys.exit(main())
