"""Commands that take words as people write them: they may begin with a minus sign."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand


class FreeTextCommand(TyperCommand):
    """A command whose arguments are text; `-1 * ts_mean(close, 24)` is one, and no option.

    Only what is exactly an option of the command is taken for one, with its value in the next word or after
    `=`; a short option has no value glued to it.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the options first and all else behind `--`."""
        options, words = self._parted(ctx, args)
        return super().parse_args(ctx, [*options, "--", *words])

    def _parted(self, ctx: Any, args: Iterable[str]) -> tuple[list[str], list[str]]:
        takes_value = {
            name: not getattr(parameter, "is_flag", False) and not getattr(parameter, "count", False)
            for parameter in self.get_params(ctx)
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("-")
        }
        options: list[str] = []
        words: list[str] = []
        left = iter(args)
        for word in left:
            if word == "--":
                words.extend(left)
            elif word in takes_value:
                options.append(word)
                if takes_value[word]:
                    options.extend(value for value in [next(left, None)] if value is not None)
            elif word.partition("=")[0] in takes_value and word.startswith("--"):
                options.append(word)
            else:
                words.append(word)
        return options, words
