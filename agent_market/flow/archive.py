"""The folder of a run: its settings, versions, git state, status and products."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from pydantic import TypeAdapter, ValidationError

import agent_market
from agent_market.errors import FlowError
from agent_market.flow.files import digest_of_values
from agent_market.flow.fingerprints import versions_of
from agent_market.flow.plan import FlowPlan
from agent_market.utils.durable import replace_text

RUN = "run.json"
SETTINGS = "flow.yaml"
PATCH = "git.patch"
GIT_S = 20

Status = Literal["running", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run. A killed run keeps the status "running"; only the lock shows that no process works on it.

    `digest` is over all products of its steps; None until it is finished. Times are UTC, ISO 8601.
    """

    id: str
    name: str
    scope: str
    status: Status
    steps: tuple[str, ...]
    started_at: str
    ended_at: str | None
    error: str | None
    digest: str | None
    versions: Mapping[str, str | None]
    git: Mapping[str, Any] | None


_READER = TypeAdapter(RunInfo)


def open_run(plan: FlowPlan, steps: tuple[str, ...]) -> RunInfo:
    """Create the folder of a run with settings, versions and git state, or reopen an existing one."""
    earlier = read_run(plan.folder)
    if earlier is not None:
        info = replace(earlier, status="running", steps=steps, ended_at=None, error=None)
        write_run(plan.folder, info)
        return info
    plan.folder.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_dump(plan.settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    replace_text(plan.folder / SETTINGS, settings)
    state, patch = git_state(Path(agent_market.__file__).parent)
    if patch:
        replace_text(plan.folder / PATCH, patch)
    info = RunInfo(
        id=plan.run_id,
        name=plan.settings.name,
        scope=plan.scope,
        status="running",
        steps=steps,
        started_at=_now(),
        ended_at=None,
        error=None,
        digest=None,
        versions=installed(),
        git=state,
    )
    write_run(plan.folder, info)
    return info


def close_run(folder: Path, info: RunInfo, error: str | None, products: Mapping[str, str]) -> RunInfo:
    """Record the end of a run.

    :param products: place of each step -> digest of its products.
    """
    done = replace(
        info,
        status="failed" if error else "finished",
        ended_at=_now(),
        error=error,
        digest=None if error else digest_of_values(dict(products)),
    )
    write_run(folder, done)
    return done


def write_run(folder: Path, info: RunInfo) -> None:
    """Write `run.json` atomically."""
    packed = orjson.dumps(asdict(info), option=orjson.OPT_INDENT_2)
    replace_text(folder / RUN, packed.decode() + "\n")


def read_run(folder: Path) -> RunInfo | None:
    """Read the run in a folder; None if it has none.

    :raises FlowError: `run.json` exists but does not describe a run.
    """
    file = folder / RUN
    if not file.is_file():
        return None
    try:
        return _READER.validate_json(file.read_bytes())
    except ValidationError as error:
        raise FlowError(
            f"{file} does not describe a run ({error.errors()[0]['msg']}); delete its folder"
        ) from error


def all_runs(runs: Path) -> tuple[RunInfo, ...]:
    """Return every run of a user_data directory, oldest first."""
    found = (read_run(folder) for folder in sorted(runs.glob("*")) if folder.is_dir())
    return tuple(run for run in found if run is not None)


def run_folder(runs: Path, wanted: str) -> Path:
    """Return the folder of a run, by its id or a unique start or end of it; `last` is the newest.

    :raises FlowError: no run matches, or several do.
    """
    names = [run.id for run in all_runs(runs)]
    if wanted == "last" and names:
        return runs / names[-1]
    found = [name for name in names if name.startswith(wanted) or name.endswith(wanted)]
    found = [wanted] if wanted in names else found
    if len(found) == 1:
        return runs / found[0]
    known = ", ".join(names[-5:]) or "none"
    what = f"matches {', '.join(found)}" if found else f"is not a run in {runs}; newest: {known}"
    raise FlowError(f"{wanted!r} {what}")


def installed() -> dict[str, str | None]:
    """Return versions of Python, Agent Market and its dependencies."""
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in requires("agent-market") or ()}
    found = versions_of("agent-market", *sorted(names - {"agent-market"}))
    return {"python": platform.python_version(), **{n: v for n, v in found.items() if v is not None}}


def git_state(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """Return commit, branch and changed files of the checkout around a folder, and the changes as a patch.

    (None, "") outside a checkout, or without git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None, ""
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    changed = (_git(folder, "status", "--porcelain") or "").splitlines()
    patch = _git(folder, "diff", "HEAD") or ""
    return {"commit": commit.strip(), "branch": (branch or "").strip(), "changed": changed}, patch


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_S,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
