"""The user_data directory: there, with our files in it, up to date, and room on its disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent_market.commands.checks.finding import Finding, fail, ok, warn
from agent_market.commands.init import Template

GIB = 1024**3
LEAST_FREE = 1 * GIB
LITTLE_FREE = 5 * GIB


def user_data(userdir: Path) -> Finding:
    """Whether the directory is there."""
    if not userdir.is_dir():
        return fail("user_data", f"no directory {userdir}", f"freqtrade create-userdir --userdir {userdir}")
    return ok("user_data", str(userdir))


def template(file: Template, userdir: Path) -> Finding:
    """Whether one of our strategies or models is in user_data, as this version ships it."""
    what, init = str(file.target), f"agent-market init --userdir {userdir}"
    match file.state(userdir):
        case "missing":
            return fail(what, "not in user_data, so freqtrade cannot find it", init)
        case "different":
            return warn(
                what, "differs from this version's: yours, or an older one", f"{init} shows the difference"
            )
        case _:
            return ok(what, "up to date")


def disk(folder: Path) -> Finding:
    """Whether the disk has room for candles, models and the database."""
    free = shutil.disk_usage(folder).free
    detail = f"{free / GIB:.1f} GiB free"
    if free < LEAST_FREE:
        return fail("disk", detail, "free some space: a full disk stops the bot's database")
    if free < LITTLE_FREE:
        return warn("disk", detail, "models and candles of several pairs take some GiB")
    return ok("disk", detail)
