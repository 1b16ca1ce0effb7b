"""What is shipped: the wheel, the pins, the compose file, the licence."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from zlib import crc32

import pytest

from agent_market import __version__
from agent_market.commands.init import templates
from tests.helpers.compose import BOTS, GIVEN, compose


def test_pyproject_and_package_agree_on_the_version(repository: Path) -> None:
    assert f'\nversion = "{__version__}"\n' in (repository / "pyproject.toml").read_text()


def test_every_dependency_is_pinned(repository: Path) -> None:
    pins = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in (repository / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }
    text = (repository / "pyproject.toml").read_text()
    text = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    declared = {name.lower() for name in re.findall(r'^\s+"([A-Za-z0-9_-]+)', text, re.MULTILINE)}
    assert declared - {"agent-market"} <= pins | {"agent-market"}


def test_the_licence_is_the_gpl_3(repository: Path) -> None:
    text = (repository / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
    assert len(text.splitlines()) > 600


@pytest.mark.parametrize("name", ["bot", *BOTS])
def test_a_container_publishes_its_api_on_loopback_only(name: str, repository: Path) -> None:
    (published,) = compose(repository)["services"][name]["ports"]
    assert re.fullmatch(r"127\.0\.0\.1:808[0-3]:8080", published)


@pytest.mark.parametrize("name", ["bot", *BOTS])
def test_a_container_cannot_trade_real_money(name: str, repository: Path) -> None:
    bot = compose(repository)["services"][name]
    assert bot["environment"]["FREQTRADE__DRY_RUN"] == "true"
    assert "dryrun.json" in bot["command"]


@pytest.mark.parametrize("name", ["bot", *BOTS])
def test_a_container_starts_with_no_default_secret(name: str, repository: Path) -> None:
    for key, value in compose(repository)["services"][name]["environment"].items():
        if re.search("PASSWORD|SECRET|USERNAME", key):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{key} has a default"


def test_the_image_is_of_a_supported_freqtrade(repository: Path) -> None:
    pinned = re.search(r"^freqtrade==(.+)$", (repository / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"ARG FREQTRADE={pinned[1]}_freqai" in (repository / "docker" / "Dockerfile").read_text()


def test_docker_accepts_the_compose_file(repository: Path) -> None:
    client = shutil.which("docker")
    if client is None or subprocess.run([client, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker client with the compose plugin here")
    done = subprocess.run(
        [client, "compose", "--profile", "*", "config", "--format", "json"],
        cwd=repository,
        env=os.environ | GIVEN,
        capture_output=True,
        text=True,
        check=True,
    )
    services = json.loads(done.stdout)["services"]
    assert set(services) == {"bot", *BOTS}
    assert {bot["ports"][0]["host_ip"] for bot in services.values()} == {"127.0.0.1"}


def test_ci_and_make_run_the_same_checks(repository: Path) -> None:
    script = (repository / ".ci" / "run").read_text()
    assert os.access(repository / ".ci" / "run", os.X_OK)
    assert "make test\n" in script
    assert "make test-slow\n" in script


def test_make_names_the_python_that_is_too_old(repository: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, tmp_path)
    done = subprocess.run(
        ["make", "test", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stdout
    assert "Python 3.8.1" in done.stdout


@pytest.mark.slow
def test_the_wheel_holds_everything_that_init_hands_out(repository: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    skipped = shutil.ignore_patterns(".venv", ".git", "demo", "build", "*.egg-info", "__pycache__")
    shutil.copytree(repository, source, symlinks=True, ignore=skipped)
    build = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = (
        "from zlib import crc32; from agent_market.commands.init import templates\n"
        "for t in templates(): print(t.target, crc32(t.content))"
    )
    listed = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path / "installed",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert listed.splitlines() == [f"{t.target} {crc32(t.content)}" for t in templates()]
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"agent_market/py.typed", "agent_market/store/migrations/env.py"} <= names
    assert "agent_market/store/migrations/script.py.mako" in names
