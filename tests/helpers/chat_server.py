"""A scripted OpenAI-compatible server on loopback, down to the bytes: it can also break the protocol."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Said:
    """One HTTP reply. `delay_s` passes before it, `drop` closes the connection instead.

    `raw` gives the bytes of the whole reply, status line and all, piece by piece, and may never end.
    """

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    raw: Callable[[], Iterator[bytes]] | None = None


@dataclass
class Asked:
    """One HTTP request: its JSON, its headers, and when it came and was answered."""

    body: dict[str, Any]
    headers: dict[str, str]
    came: float
    left: float = 0.0

    @property
    def role(self) -> str:
        """The role named in the prompt's JSON block."""
        text = self.body["messages"][-1]["content"]
        return str(json.loads(text.split("```json\n")[1].split("\n```")[0])["role"])


def answer(
    depth: float = 2.5, confidence: float = 0.6, belief: str = "scripted", reasons: tuple[str, ...] = ("so",)
) -> str:
    return json.dumps({"belief": belief, "reasons": list(reasons), "depth": depth, "confidence": confidence})


def completion(content: str | None = None, finish_reason: str = "stop", **message: Any) -> Said:
    """A well-formed chat completion with this content, of 900 + 80 tokens."""
    content = answer() if content is None and not message else content
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 80, "total_tokens": 980},
    }
    return Said(json.dumps(reply).encode())


def refusal(
    status: int, message: str, param: str | None = None, code: str | None = None, **headers: str
) -> Said:
    """An error in OpenAI's form. `retry_after="1"` becomes the header Retry-After."""
    error = {"error": {"message": message, "type": "x", "param": param, "code": code}}
    return Said(json.dumps(error).encode(), status, {k.replace("_", "-"): v for k, v in headers.items()})


class ChatServer:
    """Answers with `script(request)`; `requests` holds what it was asked, in order of arrival."""

    def __init__(self, script: Callable[[Asked], Said]) -> None:
        self.script = script
        self.requests: list[Asked] = []
        self.url = ""
        self._lock = threading.Lock()

    def handle(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[Asked, Said]:
        asked = Asked(body, headers, time.monotonic())
        with self._lock:
            self.requests.append(asked)
        return asked, self.script(asked)

    def most_at_once(self) -> int:
        """The largest number of requests that were under way together."""
        edges = sorted([(a.came, 1) for a in self.requests] + [(a.left, -1) for a in self.requests])
        running = most = 0
        for _, step in edges:
            running += step
            most = max(most, running)
        return most


@contextmanager
def chat_server(script: Callable[[Asked], Said] = lambda _: completion()) -> Iterator[ChatServer]:
    scripted = ChatServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked, said = scripted.handle(body, {k.lower(): v for k, v in self.headers.items()})
            time.sleep(said.delay_s)
            asked.left = time.monotonic()
            if said.drop:
                self.close_connection = True
                return
            if said.raw is not None:
                self.close_connection = True
                for piece in said.raw():
                    self.wfile.write(piece)
                    self.wfile.flush()
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if "content-type" not in {name.lower() for name in said.headers}:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that gave up waiting

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scripted.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
