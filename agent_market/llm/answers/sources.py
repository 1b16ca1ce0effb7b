"""Where answers come from: the endpoint, the store, or both.

    live    always asks, and stores what came back (the newest answer wins)
    record  asks only what the store does not hold
    replay  never asks: a missing answer is an error, no client exists and no socket is opened

What a model said and the schema refused is stored too, as a rejection with its cause: replay repeats the
abstention, record asks again. So it is with an endpoint that gave no answer, a budget that forbade to ask,
or one too tight for a debate (`absences`): record tries again, replay repeats the run as it was.

A prompt that leaks what it must hide is not sent, in any mode: its reply is the leak, so replay gives what
recording gave.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import orjson
from pydantic import BaseModel, ValidationError

from agent_market.config import BudgetSettings, LLMSettings
from agent_market.errors import (
    AnswerInvalid,
    BudgetExhausted,
    ModelUnavailable,
    PromptLeak,
    ReplayMiss,
    StoreError,
)
from agent_market.llm.answers.answer_writer import Recorder, held_answer
from agent_market.llm.answers.failed_answers import (
    absence,
    absence_row,
    is_absence,
    tightness_key,
    tightness_row,
    was_tight,
)
from agent_market.llm.answers.reading import read
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.schemas import VIEW, Form, Said
from agent_market.llm.decision_context import current_context
from agent_market.llm.endpoints.client import ChatClient, endpoints_of
from agent_market.llm.endpoints.completion import Completion, RequestTotals
from agent_market.llm.endpoints.signature import asked_name, stored_name
from agent_market.llm.usage.pricing import Price, PriceTable, on_loopback
from agent_market.llm.usage.spend_guard import SpendGuard
from agent_market.store.answers import AnswerRow, AnswerStore, HeldAnswer
from agent_market.store.database import Database

Reply = Said | AnswerInvalid | ModelUnavailable | PromptLeak
"""An answer, or why there is none."""

_MAX_REJECTED_TEXT = 4_000


class Answers(Protocol):
    """A source of answers. Implementations are thread-safe."""

    @property
    def llm(self) -> LLMSettings:
        """Model and sampling parameters that requests are made for."""
        ...

    @property
    def usage(self) -> RequestTotals:
        """What asking has cost so far; all zero when everything came out of the store."""
        ...

    def is_tight(self, decision: str) -> bool:
        """Whether the budget of the day or run runs low: debates are then compact.

        :param decision: names a decision that calls for a debate; the same in recording and replay.
        """
        ...

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order; all that must be asked are asked at the same time.

        :raises ReplayMiss: replay mode, and an answer is not in the store.
        :raises StoreError: the store cannot be read. Failing to *write* costs a warning, never an answer.
        """
        ...

    def close(self) -> None:
        """Write what is still unwritten and free threads and connections."""
        ...


def open_answers(
    llm: LLMSettings,
    database: Database,
    budget: BudgetSettings | None = None,
    scope: str = "",
) -> Answers:
    """The source that `llm.mode` asks for.

    :param budget: prices and caps; None takes the defaults.
    :param scope: what is run; it names the run in the table `spend`.
    :raises ConfigError: a model on another machine has no price, so its bill would be unknown.
    """
    store = AnswerStore(database)
    budget = budget or BudgetSettings()
    if llm.mode == "replay":
        return ReplayAnswers(llm, store, PriceTable(budget))
    wallet = SpendGuard.of(budget, database, scope)
    for endpoint in endpoints_of(llm):
        wallet.prices.of(endpoint.model, endpoint.base_url)
    return AskedAnswers(llm, Recorder(store), ChatClient(llm, wallet), llm.mode, wallet)


class ReplayAnswers:
    """Stored answers only; fails closed."""

    usage = RequestTotals()

    def __init__(self, llm: LLMSettings, store: AnswerStore, prices: PriceTable | None = None) -> None:
        """:param prices: what the answers cost when they were recorded; None takes the default table."""
        self.llm = llm
        self._store = store
        self._billing = _Billing(llm, prices or PriceTable(BudgetSettings()))

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        held = self._store.get_many([request.key for request in requests])
        leaks = _leaks([r for r in requests if r.key not in held]) if len(held) < len(requests) else {}
        if len(held) + len(leaks) < len(requests):
            _refuse_missing(requests, held, leaks)
        self._billing.charge(answer for answer in held.values() if not is_absence(answer.response))
        replies: list[Reply] = [
            leaks[request.key] if request.key in leaks else _decoded(request, held[request.key].response)
            for request in requests
        ]
        for request, reply in zip(requests, replies, strict=True):
            if isinstance(reply, BudgetExhausted):
                current_context().mark_skipped(request.role, str(reply))
        return replies

    def is_tight(self, decision: str) -> bool:
        key = tightness_key(decision)
        return any(was_tight(held.response) for held in self._store.get_many([key]).values())

    def close(self) -> None:
        self._store.close()


class AskedAnswers:
    """Answers of an endpoint, recorded; mode `record` takes those that are held from the store."""

    def __init__(
        self,
        llm: LLMSettings,
        recorder: Recorder,
        client: ChatClient,
        mode: Literal["live", "record"],
        wallet: SpendGuard | None = None,
    ) -> None:
        """:param wallet: the one that `client` pays from; None has the default prices and no books."""
        self.llm = llm
        self._recorder = recorder
        self._client = client
        self._reads = mode == "record"
        self._wallet = wallet or SpendGuard.of(BudgetSettings())
        self._billing = _Billing(llm, self._wallet.prices)

    @property
    def usage(self) -> RequestTotals:
        return self._client.usage

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        held = self._recorder.get_many([request.key for request in requests]) if self._reads else {}
        replies: dict[str, Reply] = {
            request.key: _decoded(request, held[request.key].response)
            for request in requests
            if request.key in held
        }
        open_questions = {
            request.key: request for request in requests if not isinstance(replies.get(request.key), Said)
        }
        self._billing.charge(answer for key, answer in held.items() if key not in open_questions)
        if open_questions:
            leaks = _leaks(list(open_questions.values()))
            replies |= leaks
            self._ask_endpoint([r for key, r in open_questions.items() if key not in leaks], replies)
        return [replies[request.key] for request in requests]

    def is_tight(self, decision: str) -> bool:
        tight = self._wallet.budget.is_tight
        if self._reads:
            key = tightness_key(decision)
            held = self._recorder.get_many([key])
            if tight != (key in held and was_tight(held[key].response)):
                self._recorder.keep([tightness_row(decision, self.llm.model, tight)])
        return tight

    def close(self) -> None:
        self._client.close()
        self._recorder.close()
        if self._wallet.ledger is not None:
            self._wallet.ledger.close()

    def _ask_endpoint(self, requests: Sequence[Request], replies: dict[str, Reply]) -> None:
        rows, absent = [], []
        case = current_context()
        for request, got in zip(requests, self._client.complete_all(requests), strict=True):
            if isinstance(got, ModelUnavailable):
                replies[request.key] = got
                if isinstance(got, BudgetExhausted):
                    case.mark_skipped(request.role, str(got))
                if self._reads:
                    absent.append(absence_row(request, got))
                continue
            reply = _read(request, got)
            replies[request.key] = reply
            rows.append(_row(request, got, encode(reply, got.text)))
        self._billing.charge(map(held_answer, rows))
        self._recorder.keep([*rows, *absent])
        if self._wallet.ledger is not None:
            self._wallet.ledger.flush()


class _Billing:
    """Puts answers on the bill of the decision that they are for, at the prices of the config."""

    def __init__(self, llm: LLMSettings, prices: PriceTable) -> None:
        self._prices = prices
        self._local = all(on_loopback(endpoint.base_url) for endpoint in endpoints_of(llm))
        self._known: dict[str, Price | None] = {}

    def charge(self, answers: Iterable[HeldAnswer]) -> None:
        calls = prompts = completions = 0
        nano: int | None = 0
        for _, model, prompt_tokens, completion_tokens in answers:
            calls += 1
            prompts += prompt_tokens
            completions += completion_tokens
            price = self._price(model)
            nano = (
                None if price is None or nano is None else nano + price.nano(prompt_tokens, completion_tokens)
            )
        if calls:
            current_context().charge(calls, prompts, completions, nano)

    def _price(self, model: str) -> Price | None:
        if model not in self._known:
            self._known[model] = self._prices.recorded(asked_name(model), self._local)
        return self._known[model]


def encode(reply: Said | AnswerInvalid, text: str) -> bytes:
    """The stored form of what a model said: the validated answer, or the rejection with cause and text."""
    if isinstance(reply, Said):
        return orjson.dumps(reply.model_dump())
    # Text of a broken model may hold lone surrogates, which are not valid UTF-8.
    clean = text[:_MAX_REJECTED_TEXT].encode("utf-8", "replace").decode("utf-8")
    return orjson.dumps({"rejected": str(reply).encode("utf-8", "replace").decode("utf-8"), "text": clean})


def decode(key: str, response: bytes, form: Form = VIEW) -> Said | AnswerInvalid | ModelUnavailable:
    """The stored reply, validated again.

    :param form: what was asked for.
    :raises StoreError: the row is neither an answer, a rejection nor a recorded failure.
    """
    try:
        if is_absence(response):
            return absence(response)
        if response.startswith(b'{"rejected"'):
            return AnswerInvalid(_Rejection.model_validate_json(response).rejected)
        return form.type.model_validate_json(response)
    except ValidationError as error:
        raise StoreError(
            f"the stored answer {key} is damaged ({error.errors()[0]['msg']}); delete its row, record again"
        ) from error


class _Rejection(BaseModel):
    rejected: str


def _decoded(request: Request, response: bytes) -> Said | AnswerInvalid | ModelUnavailable:
    return decode(request.key, response, request.form.answer)


def _leaks(requests: Sequence[Request]) -> dict[str, PromptLeak]:
    """The leak of each request that has one, by key."""
    found = {request.key: request.leak() for request in requests}
    return {key: leak for key, leak in found.items() if leak is not None}


def _read(request: Request, completion: Completion) -> Said | AnswerInvalid:
    try:
        return read(request.form.answer, completion)
    except AnswerInvalid as error:
        return error


def _row(request: Request, completion: Completion, response: bytes) -> AnswerRow:
    return AnswerRow(
        key=request.key,
        role=request.role,
        model=stored_name(completion.model or request.model, completion.fingerprint),
        request=request.body,
        response=response,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        latency_s=completion.latency_s,
        created_at=int(time.time()),
    )


def _refuse_missing(
    requests: Sequence[Request], held: Mapping[str, HeldAnswer], leaks: dict[str, PromptLeak]
) -> None:
    missing = [request for request in requests if request.key not in held and request.key not in leaks]
    if missing:
        first = missing[0]
        raise ReplayMiss(
            f"{len(missing)} of {len(requests)} answers were never recorded, first {first.key} (agent "
            f"{first.role}, model {first.model}). Prompts, data or settings differ from the recording: run "
            'once with `agent_market.llm.mode` = "record"'
        )
