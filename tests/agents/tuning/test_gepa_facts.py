"""What we rely on in gepa, pinned: another version is looked at before it is used."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys

import gepa


def test_the_version_is_the_one_that_was_measured() -> None:
    assert importlib.metadata.version("gepa") == "0.1.4"


def test_it_takes_what_we_give_it() -> None:
    known = inspect.signature(gepa.optimize).parameters
    given = (
        "seed_candidate", "trainset", "valset", "adapter", "candidate_selection_strategy", "module_selector",
        "reflection_minibatch_size", "skip_perfect_score", "stop_callbacks", "track_best_outputs", "logger",
        "seed", "raise_on_exception",
    )  # fmt: skip
    assert set(given) <= set(known)
    # A reward above 1 is not perfect, it is lucky: without this every such minibatch would be skipped.
    assert known["skip_perfect_score"].default is True


def test_our_adapter_brings_no_second_client_of_models_with_it() -> None:
    code = (
        "import sys, agent_market.agents.tuning.campaign; "
        "print([name for name in ('litellm', 'dspy', 'tqdm.auto', 'wandb', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
