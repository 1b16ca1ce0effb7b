"""What Telegram shows of a marked-up text, and what it refuses: an unclosed mark loses the whole message."""

from __future__ import annotations

from html.parser import HTMLParser

from agent_market.errors import SandboxError

LONGEST = 4096
"""Characters of a message, after its marks were taken away."""

TAGS = frozenset(["b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote"])


def visible(text: str, parse_mode: str | None) -> str:
    """The text that a reader sees.

    :param parse_mode: "HTML", "Markdown" (the old one, which freqtrade sends), "MarkdownV2", or None.
        MarkdownV2 is taken as it is.
    :raises SandboxError: in Telegram's words, why it would answer 400.
    """
    if parse_mode == "HTML":
        seen = _html(text)
    elif parse_mode == "Markdown":
        seen = _markdown(text)
    else:
        seen = text
    if not seen.strip():
        raise SandboxError("Bad Request: message text is empty")
    if len(seen) > LONGEST:
        raise SandboxError("Bad Request: message is too long")
    return seen


def _markdown(text: str) -> str:
    seen, at = [], 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text) and text[at + 1] in "_*`[":
            seen.append(text[at + 1])
            at += 2
            continue
        if char not in "_*`":
            seen.append(char)
            at += 1
            continue
        mark = "```" if text.startswith("```", at) else char
        end = text.find(mark, at + len(mark))
        if end < 0:
            offset = len(text[:at].encode())
            raise SandboxError(
                "Bad Request: can't parse entities: can't find end of the entity starting at byte offset "
                f"{offset}"
            )
        seen.append(text[at + len(mark) : end])
        at = end + len(mark)
    return "".join(seen)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise SandboxError(f'Bad Request: can\'t parse entities: unsupported start tag "{tag}"')
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise SandboxError(f'Bad Request: can\'t parse entities: unexpected end tag "{tag}"')

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def _html(text: str) -> str:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open:
        raise SandboxError(f'Bad Request: can\'t parse entities: no end tag for "{reader.open[-1]}"')
    return "".join(reader.seen)
