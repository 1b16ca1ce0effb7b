"""The benchmark on a small conversation of LoCoMo's shape, worked out by hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("bm25s", reason="the extra `dev` is not installed")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / "text_recall.py"
    spec = importlib.util.spec_from_file_location("text_recall", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    __import__("sys").modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def sample() -> list[dict[str, object]]:
    """Two sessions. Question 3 names no evidence, and question 2 names a turn that is not there, too."""
    return [
        {
            "conversation": {
                "speaker_a": "Ann",
                "speaker_b": "Bob",
                "session_1_date_time": "1 May 2023",
                "session_1": [
                    {"speaker": "Ann", "dia_id": "D1:1", "text": "I adopted a puppy named Rex"},
                    {"speaker": "Bob", "dia_id": "D1:2", "text": "How lovely, what breed?"},
                    {"speaker": "Ann", "dia_id": "D1:3", "text": "A beagle", "blip_caption": "a small dog"},
                ],
                "session_2": [
                    {"speaker": "Bob", "dia_id": "D2:1", "text": "My marathon was in Lisbon"},
                    {"speaker": "Ann", "dia_id": "D2:2", "text": "Congratulations on finishing"},
                ],
            },
            "qa": [
                {"question": "What is the name of the puppy?", "evidence": ["D1:1"], "category": 1},
                {"question": "Where did the marathon take place?", "evidence": ["D2:1; D9:9"], "category": 2},
                {"question": "What is unknown?", "evidence": [], "category": 5},
            ],
        }
    ]


def test_turns_have_the_neighbouring_turns_of_their_session_as_context(benchmark: ModuleType) -> None:
    ((turns, questions),) = benchmark.read(sample(), window=1)
    assert [turn.id for turn in turns] == ["D1:1", "D1:2", "D1:3", "D2:1", "D2:2"]
    assert turns[1].context == "Ann: I adopted a puppy named Rex Ann: A beagle [a small dog]"
    assert turns[3].context == "Ann: Congratulations on finishing"
    assert [q.evidence for q in questions] == [{"D1:1"}, {"D2:1"}, frozenset()]


def test_recall_and_reciprocal_rank_by_hand(benchmark: ModuleType) -> None:
    measured = benchmark.Measured("x")
    question = benchmark.Question("?", frozenset({"a", "z"}), 1)
    # "a" second, "z" seventh: half of it among five, all among ten, first found at rank 2.
    measured.ask([question], lambda _, k: ["b", "a", "c", "d", "e", "f", "z"])
    measured.ask([benchmark.Question("?", frozenset({"q"}), 1)], lambda _, k: ["b"])
    assert (measured.recall(5), measured.recall(10)) == (0.25, 0.5)
    assert measured.mean_reciprocal_rank == 0.25


def test_the_last_line_is_the_result(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "locomo10.json"
    file.write_text(json.dumps(sample()))
    assert benchmark.main([str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 conversations, 5 turns, 2 questions"
    result = json.loads(lines[-1])
    assert result["name"] == "text_recall"
    assert result["value"] == 1.0
    assert result["mrr"] == 1.0
    assert result["ratio"] == 1.0


def test_without_the_file_it_says_how_to_get_it(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main([]) == 2
    assert "snap-research/locomo" in capsys.readouterr().out
    assert benchmark.main([str(tmp_path / "none.json")]) == 2
    assert "none.json is no file" in capsys.readouterr().out
