"""Rich's console for text of others: see `agent_market.utils.plain_text`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console as _Console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from agent_market.utils.plain_text import plain


class Console(_Console):
    """A console that shows control characters and markup such as [bold] and never obeys them.

    Give styles as `rich.text.Text` or with `style=`; the options are those of Rich, without `markup`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "markup": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control is None:
                clean = plain(segment.text)
                yield segment if clean == segment.text else Segment(clean, segment.style)
            else:
                yield segment

    def render_str(self, text: str, **options: Any) -> Any:
        return super().render_str(plain(text), **options)
