"""`agent-market init`: put our thin strategies, models and example configs into a user_data directory.

The files come from `agent_market/templates`, which is part of the installed package. In the repository it
links to `user_data/` and `config/`, so that each file exists once.
"""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent_market.errors import ConfigError
from agent_market.resources import TEMPLATES
from agent_market.utils.durable import replace_bytes

# Folder and pattern of the files to hand out, and where they go under user_data.
LAYOUT = (
    ("user_data/strategies", "*.py", "strategies"),
    ("user_data/freqaimodels", "*.py", "freqaimodels"),
    ("config", "*.json", "agent_market/config"),
)

State = Literal["missing", "current", "different"]


@dataclass(frozen=True, slots=True)
class Template:
    """One file that `init` hands out: where it goes, relative to user_data, and what is in it."""

    target: Path
    content: bytes

    def state(self, userdir: Path) -> State:
        """How the file in `userdir` compares with this one."""
        file = userdir / self.target
        if not file.exists():
            return "missing"
        return "current" if file.read_bytes() == self.content else "different"

    def diff(self, userdir: Path) -> str:
        """What a replacement would change, as a unified diff (text files only, as all of ours are)."""
        old = (userdir / self.target).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        new = self.content.decode().splitlines(keepends=True)
        return "".join(difflib.unified_diff(old, new, f"yours: {self.target}", f"ours: {self.target}"))


def templates() -> tuple[Template, ...]:
    """All files that `init` hands out, ordered by target."""
    return tuple(
        Template(Path(target) / file.name, file.read_bytes())
        for source, pattern, target in LAYOUT
        for file in sorted((TEMPLATES / source).glob(pattern))
    )


def install(userdir: Path, may_replace: Callable[[Template], bool]) -> Iterator[tuple[Template, str]]:
    """Write every template into `userdir`; yield each with what was done.

    A file that differs is replaced only if `may_replace(template)` says so, and is kept beside the new one
    as `NAME.bak-N`. New content appears at once or not at all.
    """
    for template in templates():
        state = template.state(userdir)
        file = userdir / template.target
        if state == "current":
            yield template, "up to date"
        elif state == "missing":
            replace_bytes(file, template.content)
            yield template, "written"
        elif may_replace(template):
            backup = _free_backup(file)
            shutil.copy2(file, backup)
            replace_bytes(file, template.content)
            yield template, f"replaced; yours is kept as {backup.name}"
        else:
            yield template, "kept as it was; it differs from ours"


def at_terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin.isatty()


def _free_backup(file: Path) -> Path:
    number = 1
    while (backup := file.with_name(f"{file.name}.bak-{number}")).exists():
        number += 1
    return backup


def init(
    userdir: Annotated[Path, typer.Option("--userdir", "-d", help="Your freqtrade user_data directory.")],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", "--force", help="Replace files that differ, without asking.")
    ] = False,
) -> None:
    """Put our strategies, FreqAI models and example configs into your user_data directory.

    Asks before it replaces a file that differs, after showing the difference; what is replaced is kept as
    FILE.bak-N. Where it cannot ask (no terminal) it keeps your file and says so, unless --yes is given.
    """
    from rich.syntax import Syntax

    from agent_market.utils.console import Console

    console = Console()
    if not userdir.is_dir():
        raise ConfigError(
            f"no directory --userdir {userdir}; create it with `freqtrade create-userdir --userdir {userdir}`"
        )

    def ask(template: Template) -> bool:
        if yes:
            return True
        console.print(Syntax(template.diff(userdir), "diff", background_color="default"))
        return at_terminal() and typer.confirm(f"Replace {userdir / template.target}?", default=False)

    kept = False
    for template, done in install(userdir, ask):
        console.print(f"{template.target}: {done}", highlight=False, markup=False, soft_wrap=True)
        kept = kept or done.startswith("kept")
    if kept:
        console.print(
            f"To take ours: agent-market init --userdir {userdir} --yes (yours stay as FILE.bak-N)",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
