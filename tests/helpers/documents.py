"""The commands that stand in a Markdown document, and a way to run them as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path, *infos: str) -> list[str]:
    """Bodies of the fenced blocks whose info string is one of `infos`, in order."""
    return [m["body"] for m in _BLOCK.finditer(document.read_text(encoding="utf-8")) if m["info"] in infos]


def commands(body: str) -> list[str]:
    """The commands of a console block: its lines that begin with `$ `."""
    return [line[2:] for line in body.splitlines() if line.startswith("$ ")]


def run(script: str, folder: Path, timeout_s: float, **environment: str) -> str:
    """Run a shell script in `folder`, where `agent-market` and `freqtrade` are those of this Python.

    Every command must succeed. Returns stdout and stderr together.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "200"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"exit code {done.returncode} of:\n{script}\n{done.stdout[-6000:]}"
    return done.stdout
