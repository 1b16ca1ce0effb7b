"""Python, freqtrade and the packages around them: versions that work together."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

from agent_market.commands.checks.finding import Finding, fail, ok, warn

OLDEST_PYTHON = (3, 11)
TORCH = "2.13.0"
NATIVE_PACKAGES = ("lightgbm", "faiss")

Installed = Callable[[str], str | None]


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def python_version(version: tuple[int, int]) -> Finding:
    """Whether this Python is new enough for freqtrade and us."""
    text = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return fail("python", text, "use Python 3.11 or newer")
    return ok("python", text)


def requirements(distribution: str) -> Iterator[Requirement]:
    """What a distribution needs on this platform, without its extras."""
    for line in metadata.requires(distribution) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def freqtrade_version(version_of: Installed = installed) -> Finding:
    """Whether freqtrade is in the range that our contract tests ran with."""
    wanted = next(r for r in requirements("agent-market") if r.name == "freqtrade")
    version = version_of("freqtrade")
    if version is None:
        return fail("freqtrade", "not installed", f"pip install '{wanted}'")
    if not wanted.specifier.contains(version, prereleases=True):
        return fail(
            "freqtrade",
            f"{version}, supported {wanted.specifier}",
            "install a supported version; another may break live retraining without a word",
        )
    return ok("freqtrade", version)


def conflicts(distribution: str, version_of: Installed = installed) -> Finding:
    """Whether every package that `distribution` needs is there in a version that it accepts."""
    what = f"packages of {distribution}"
    bad = []
    for requirement in requirements(distribution):
        version = version_of(requirement.name)
        if version is None:
            bad.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            bad.append(f"{requirement.name} {version}, needs {requirement.specifier}")
    if bad:
        return fail(what, "; ".join(bad), "pip install -c constraints.txt agent-market (a set that agrees)")
    return ok(what, "all there")


def torch_version(version_of: Installed = installed) -> Finding:
    """Whether torch, if it is there at all, is the one pinned: our models need none in this version."""
    version = version_of("torch")
    if version is None:
        return ok("torch", "not installed; nothing here needs it")
    if Version(version).base_version != TORCH:
        return warn("torch", f"{version}, tested with {TORCH}", f"pip install torch=={TORCH}")
    return ok("torch", version)


def importable(module: str) -> Finding:
    """Whether a package with native code loads: the wheel may be there and its C library not."""
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        return fail(
            f"import {module}",
            str(error),
            "install it again; if it names libgomp: apt install libgomp1 (macOS: brew install libomp)",
        )
    return ok(f"import {module}", "loads")
