"""Reading a streamed chat completion (server-sent events), one event at a time and within bounds."""

from __future__ import annotations

from typing import Any

from agent_market.llm.endpoints.lenient_json import NotJson, loads
from agent_market.llm.endpoints.transport import ReplyTooLarge

MAX_TEXT = 1024**2
"""Most characters of content and reasoning together, and most bytes of one event."""

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


class ChatEvents:
    """Puts the chunks of a streamed completion together, as one that was not streamed.

    Thread-confined. `completion` is None until an event with content, an error or usage has come.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._texts: dict[str, list[str]] = {name: [] for name in _TEXTS}
        self._calls: dict[int, dict[str, str]] = {}
        self._finish: str | None = None
        self._last: dict[str, Any] = {}
        self._usage: Any = None
        self._error: Any = None
        self._is_done = False
        self._count = 0

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the stream; True after `[DONE]` or an error."""
        self._rest += data
        # CR LF, LF and CR all end a line; a CR at the end may be half of a CR LF.
        held = b"\r" if self._rest.endswith(b"\r") else b""
        text = self._rest[: len(self._rest) - len(held)]
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        for line in lines:
            self._line(line)
        if len(self._rest) + sum(map(len, self._data)) > MAX_TEXT:
            raise ReplyTooLarge(f"an event of the stream is larger than {MAX_TEXT / 1024**2:g} MiB")
        return self._is_done

    def finish(self) -> None:
        """The stream has ended; an event without an empty line behind it counts too."""
        self._line(self._rest)
        self._rest = b""
        self._line(b"")

    @property
    def completion(self) -> dict[str, Any] | None:
        """The completion as a body would hold it; `finish_reason` is `cut` where the stream broke off."""
        if self._error is not None:
            return {"error": self._error}
        if not self._count:
            return None
        message: dict[str, Any] = {name: "".join(parts) or None for name, parts in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [{"function": call} for _, call in sorted(self._calls.items())]
        finish = self._finish if self._finish is not None else "stop" if self._is_done else "cut"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {**self._last, "choices": [choice], "usage": self._usage}

    def _line(self, line: bytes) -> None:
        if self._is_done:
            return
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            self._event(data.strip())

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._is_done = True
            return
        try:
            event = loads(data)
        except NotJson:
            return  # a comment or a ping in some dialect
        if not isinstance(event, dict):
            return
        if event.get("error"):
            self._error, self._is_done = event["error"], True
            return
        self._count += 1
        self._usage = event.get("usage") or self._usage
        self._last |= {k: event[k] for k in ("model", "system_fingerprint") if event.get(k)}
        choices = event.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, dict) or first.get("index") not in (0, None):
            return
        if first.get("finish_reason"):
            self._finish = str(first["finish_reason"])
        delta = first.get("delta") or first.get("message")
        if isinstance(delta, dict):
            self._add(delta)

    def _add(self, delta: dict[str, Any]) -> None:
        for name in _TEXTS:
            value = delta.get(name)
            if isinstance(value, list):  # content parts
                value = "".join(str(p.get("text") or "") for p in value if isinstance(p, dict))
            if isinstance(value, str):
                self._grow(len(value))
                self._texts[name].append(value)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(call.get("index", 0), int):
                held = self._calls.setdefault(call.get("index", 0), {"name": "", "arguments": ""})
                for key in held:
                    if isinstance(function.get(key), str):
                        self._grow(len(function[key]))
                        held[key] += function[key]

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > MAX_TEXT:
            raise ReplyTooLarge(f"the streamed answer is longer than {MAX_TEXT:,} characters")
