"""What must answer or be free on this machine and beyond: the API port, the model endpoint, the database."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from agent_market.agents.prompts.system_prompt import system_message
from agent_market.agents.prompts.user_prompt import Brief
from agent_market.agents.roles import ROLES
from agent_market.commands.checks.finding import Finding, fail, ok, warn
from agent_market.config import LLMSettings, TextSettings
from agent_market.errors import AgentMarketError, AnswerInvalid, ConfigError, ModelUnavailable
from agent_market.llm.answers.reading import read
from agent_market.llm.answers.request import Request, RequestForm
from agent_market.llm.answers.schemas import VIEW, Answer
from agent_market.llm.endpoints.client import ChatClient, endpoints_of
from agent_market.llm.endpoints.completion import Completion
from agent_market.records import MarketView, Recall

LONG_PROMPT = 20_000
"""Bytes; some 6,000 tokens, more than the 4,096 that servers keep by default, as debates may take."""


def api_port(config: Mapping[str, Any]) -> Finding | None:
    """Whether the REST API's port is free; None where the API is off.

    Freqtrade hangs silently at start-up if it is taken.
    """
    api = config.get("api_server", {})
    if not api.get("enabled", False):
        return None
    host, port = str(api.get("listen_ip_address", "127.0.0.1")), int(api.get("listen_port", 8080))
    what = f"API port {host}:{port}"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return fail(
                what,
                f"cannot be bound: {error.strerror}",
                "stop the bot that has it, or choose another api_server.listen_port: "
                "freqtrade would hang at start-up for ever",
            )
    return ok(what, "free")


def model_endpoint(settings: LLMSettings) -> Iterator[Finding]:
    """Whether each endpoint answers, gives a structured answer, and reads a long prompt to its end."""
    if settings.mode == "replay":
        yield ok(f"model {settings.model}", "replay mode asks no endpoint")
        return
    for endpoint in endpoints_of(settings):
        # Alone: with a fallback behind it, an endpoint that is down would seem to answer.
        alone = {**dict(endpoint), "deep": None, "fallbacks": ()}
        yield from _one_endpoint(settings.model_copy(update=alone))


def _one_endpoint(settings: LLMSettings) -> Iterator[Finding]:
    what = f"model {settings.model}"
    try:
        client = ChatClient(settings)
    except ConfigError as error:
        yield fail(what, str(error), "correct it; see docs/reference/configuration.md")
        return
    try:
        # Not every server lists its models, or by the name that it takes: only an answer settles it.
        reply = client.complete_all([probe_request(settings)])[0]
        listed = _listed(client, settings, isinstance(reply, ModelUnavailable))
        yield listed
        if listed.level == "fail":
            return
        answered = _structured_answer(reply, settings)
        yield answered
        if answered.level != "fail":
            yield _long_prompt(client, settings)
    finally:
        client.close()


def _listed(client: ChatClient, settings: LLMSettings, is_silent: bool) -> Finding:
    what = f"model {settings.model}"
    try:
        known = client.models()
    except ModelUnavailable as error:
        if not is_silent:
            return ok(what, f"answers; it lists no models ({error})")
        return fail(
            what,
            str(error),
            "start the server, correct agent_market.llm.base_url, or set the key in "
            f"{settings.api_key_env}; until then every LLM agent abstains",
        )
    if _plain_name(settings.model) in map(_plain_name, known):
        return ok(what, f"listed by {_shown(settings.base_url)}")
    return warn(
        what,
        f"{_shown(settings.base_url)} does not list it; it has {', '.join(known[:8]) or 'none'}",
        "if the answer below is no good, correct agent_market.llm.model, or pull the model",
    )


def _shown(url: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _plain_name(model: str) -> str:
    """A model's name without what servers put around it in their lists."""
    return model.lower().removeprefix("models/").removesuffix(":latest")


def _structured_answer(reply: Completion | ModelUnavailable, settings: LLMSettings) -> Finding:
    """The answer to one real prompt of the committee, parsed as in a decision."""
    what = f"answer of {settings.model}"
    if isinstance(reply, ModelUnavailable):
        return fail(
            what,
            str(reply),
            f"every LLM agent would abstain; see the server's log, and set the key in {settings.api_key_env} "
            "where it asks for one",
        )
    try:
        answer = read(VIEW, reply)
    except AnswerInvalid as error:
        return fail(
            what,
            str(error),
            "the agents would abstain: use a model that keeps to a JSON schema; for one that thinks, raise "
            "agent_market.llm.max_tokens and timeout_s, or switch thinking off with reasoning_effort or "
            "extra_body (docs/reference/models.md)",
        )
    assert isinstance(answer, Answer)
    detail = f"valid in {reply.latency_s:.1f} s: depth {answer.depth:+g}, confidence {answer.confidence:g}"
    if "schema" not in (reply.wording or "schema"):
        return warn(
            what,
            f"{detail}; {reply.wording}",
            "it does not hold a model to the JSON schema: expect some answers that are refused",
        )
    return ok(what, f"{detail}{reply.wording and f'; {reply.wording}'}")


def _long_prompt(client: ChatClient, settings: LLMSettings) -> Finding:
    """Whether a prompt as long as those of a debate is read whole; servers that cut one answer too."""
    what = f"long prompt to {settings.model}"
    request = probe_request(settings, LONG_PROMPT)
    reply = client.complete_all([request])[0]
    size = f"{len(request.body):,} bytes"
    if isinstance(reply, ModelUnavailable):
        return fail(
            what,
            f"{size}: {reply}",
            "raise the server's context length: prompts of a debate are that long",
        )
    if reply.problem is not None and "cut the prompt" in reply.problem:
        return fail(what, f"{size}: {reply.problem}", "answers to cut prompts count as abstentions")
    if not reply.prompt_tokens:
        return warn(
            what,
            f"{size}: it counts no tokens, so whether it cut the prompt cannot be told",
            "make sure that its context holds 8,192 tokens",
        )
    return ok(what, f"read whole: {size}, {reply.prompt_tokens:,} tokens")


def probe_request(settings: LLMSettings, size: int = 0) -> Request:
    """What the doctor asks: the first LLM role, about a market in which nothing happens.

    :param size: bytes that the prompt has at least.
    """
    role = next(role for role in ROLES if role.source == "llm")
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    still = {"return_1": 0.0, "return_24": 0.0, "rsi_14": 0.5, "volatility_percentile": 0.5, "trend": 0.0}
    still |= {f"return_{n}": 0.0 for n in range(100, 100 + size // len('"return_100":0.0,'))}
    view = MarketView("-", "1h", moment, still, {}, "unknown", ())
    brief = Brief(view, Recall(moment))
    return RequestForm(role.name, system_message(role), settings).fill(brief.user_message(role))


def embedder(settings: TextSettings, url: str) -> Finding | None:
    """Whether the embedder loads, and made the vectors in the store; None where none is set."""
    from sqlalchemy import func, select

    from agent_market.memory.text.embedder import label, open_embedder
    from agent_market.store.database import Database
    from agent_market.store.schema import text_vectors

    if settings.embedder is None:
        return None
    what, store = "embedder", None
    try:
        store = Database(url)
        held = open_embedder(settings.embedder, store)
        assert held is not None
        count = select(text_vectors.c.embedder, func.count()).group_by(text_vectors.c.embedder)
        with store.begin() as connection:
            counts = {name: int(number) for name, number in connection.execute(count).all()}
    except AgentMarketError as error:
        advice = "correct agent_market.memory.text.embedder, or unset it to recall by words alone"
        return fail(what, str(error), advice)
    finally:
        if store is not None:
            store.close()
    stem = label(settings.embedder)
    others = {
        name: number
        for name, number in counts.items()
        if name != held.name and name.rpartition("@")[0] in ("", stem)
    }
    if others:
        return warn(
            what,
            f"{settings.embedder} is {held.name} now; the store holds {sum(others.values()):,} vectors of "
            f"{', '.join(sorted(others))}: another model has taken that name",
            "put the former model back, or let the worker make new vectors; those of the other model are "
            "not compared with them",
        )
    return ok(what, f"{held.name}, {counts.get(held.name, 0):,} vectors in the store")


def database(url: str) -> Finding:
    """Whether the store opens, is whole, on the newest schema, and takes a write (which is rolled back)."""
    import sqlite3

    from sqlalchemy import Engine, insert
    from sqlalchemy.exc import SQLAlchemyError

    from agent_market.store.backup import require_our_schema
    from agent_market.store.database import Database, damage, sqlite_file
    from agent_market.store.schema import answers

    def write_and_roll_back(engine: Engine) -> None:
        row: dict[str, Any] = dict.fromkeys((column.name for column in answers.columns), 0)
        row |= {"key": "doctor", "role": "doctor", "model": "doctor", "request": b"", "response": b""}
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(insert(answers), row)
            transaction.rollback()

    what, advice = "database", "correct agent_market.store.url, or the permissions of its folder and file"
    try:
        store = Database(url)
    except AgentMarketError as error:
        return fail(what, str(error), advice)
    shown = store.engine.url.render_as_string(hide_password=True)
    file = sqlite_file(url)
    try:
        if file is not None:
            if (found := damage(file, thorough=True)) is not None:
                return fail(
                    what, f"{shown} is damaged: {found}", "put a copy back with `agent-market restore`"
                )
            require_our_schema(file)
    except (sqlite3.Error, AgentMarketError) as error:
        store.close()
        return fail(what, str(error), "put a copy back with `agent-market restore`")
    try:
        write_and_roll_back(store.engine)
    except SQLAlchemyError as error:
        return fail(what, f"{shown} takes no write: {error}", advice)
    finally:
        store.close()
    return ok(what, f"{shown} opens, is whole, is on the newest schema, and takes a write")
