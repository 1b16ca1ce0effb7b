"""Cached agent answers per second, out of the store, on one core.

What is timed is what a replayed backtest does for a decision: render the prompts of three LLM agents from
a MarketView and its Recall, address them by content, read the answers from SQLite, validate them, and hand
back AgentViews, stage by stage. No answer is kept in memory between decisions.

Against it, in the same run and with the same prompts: a cache of one JSON file per answer, keyed by a hash
of agent, model and prompt, as ai-hedge-fund keeps it (hedge_fund/llm/cache.py).

Partial invalidation is counted, not timed: with one role's prompt changed and the same answers, only that
role's questions are no longer in the store.  (Where a changed prompt brings another answer, the judge, who
reads it, is asked anew as well.)

    python benchmarks/replay.py [--answers 20000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.agents.committee import Committee
from agent_market.agents.prompts.system_prompt import system_message
from agent_market.agents.prompts.user_prompt import Brief, Shown
from agent_market.agents.roles import ROLES
from agent_market.config import AgentSettings, DebateSettings, LLMSettings
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.schemas import Answer, parse_answer
from agent_market.llm.answers.sources import ReplayAnswers, Reply, encode
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.llm.egress.masking import Disguises
from agent_market.llm.endpoints.completion import RequestTotals
from agent_market.records import AgentView, MarketView, Neighbour, Recall
from agent_market.store.answers import AnswerRow, AnswerStore
from agent_market.store.database import Database

START = datetime(2024, 1, 1, tzinfo=UTC)
LLM = LLMSettings(mode="replay")
# Random depths are far apart, and the peer knows no debate: both speak in one round.
COMPACT = AgentSettings(debate=DebateSettings(mode="compact"))
LLM_ROLES = tuple(role.name for role in ROLES if role.source == "llm")
ASKED = len(LLM_ROLES)
SAMPLE = 500

Question = tuple[MarketView, Recall, dict[str, AgentView]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    questions = [_question(seed) for seed in range(max(1, options.answers // ASKED))]
    count = len(questions) * ASKED
    with tempfile.TemporaryDirectory() as folder:
        files = FileCache(Path(folder) / "files")
        database = Database(f"sqlite:///{folder}/answers.sqlite")
        _warm(questions, AnswerStore(database), files)
        ours = Committee(ROLES, ReplayAnswers(LLM, AnswerStore(database)), settings=COMPACT)
        theirs = FilePeer(files)
        # Thousands of questions are held by the benchmark alone: collecting garbage must not walk them.
        gc.collect()
        gc.freeze()
        # Interleaved, so that a noisy neighbour on the machine slows both alike.
        seconds = [(_time(ours.ask, questions), _time(theirs.ask, questions)) for _ in range(options.repeats)]
        if _opinions(ours.ask(*questions[0])) != _opinions(theirs.ask(*questions[0])):
            raise SystemExit("the two caches gave different views: the comparison is void")
        sample = questions[:SAMPLE]
        again = {role: asked_again(sample, AnswerStore(database), role) for role in LLM_ROLES}
        database.close()
    our_rate = count / statistics.median(s for s, _ in seconds)
    their_rate = count / statistics.median(s for _, s in seconds)
    print(
        f"{count:,} answers of {len(questions):,} decisions, median of {options.repeats}: store "
        f"{our_rate:,.0f}/s, one file per answer {their_rate:,.0f}/s (CPU time of one core)"
    )
    for role, counted in again.items():
        print(f"prompt of {role} changed: of {len(sample):,} decisions asked again {counted}")
        if counted != {name: len(sample) if name == role else 0 for name in LLM_ROLES}:
            raise SystemExit(f"changing {role} asked others than {role}: {counted}")
    result = {
        "name": "replay",
        "value": round(our_rate),
        "unit": "answers/s",
        "against": "one JSON file per answer (as ai-hedge-fund keeps them), same prompts",
        "ratio": round(our_rate / their_rate, 2),
    }
    print(json.dumps(result))


def _time(ask: Callable[..., tuple[AgentView, ...]], questions: Sequence[Question]) -> float:
    """CPU seconds, user and system, for all questions."""
    start = time.process_time()
    for question in questions:
        ask(*question)
    return time.process_time() - start


def _opinions(views: Sequence[AgentView]) -> list[tuple[str, float, float, str]]:
    return [(view.agent, view.depth, view.confidence, view.belief) for view in views]


def _question(seed: int) -> Question:
    """A decision of realistic size: 30 features, 4 context series, 8 neighbours, two given views."""
    draw = random.Random(seed)
    asof = START + timedelta(hours=seed)
    view = MarketView(
        pair="BTC/USDT",
        timeframe="1h",
        asof=asof,
        features={f"feature_{i:02d}": draw.gauss(0, 1) for i in range(30)},
        context={name: draw.uniform(10, 100) for name in ("fear_greed", "vix", "dxy", "funding")},
        regime=draw.choice(("up-calm", "down-wild", "chop-calm")),
        state=(),
    )
    neighbours = tuple(
        Neighbour(
            f"e{i}", asof - timedelta(days=i + 2), asof - timedelta(days=i + 1), i / 8, draw.gauss(0, 0.02)
        )
        for i in range(8)
    )
    given = {
        name: AgentView(name, draw.uniform(-10, 10), draw.random(), reasons=("a reason of usual length",))
        for name in ("quant", "memory")
    }
    return view, Recall(asof, neighbours), given


def _said(question: str) -> str:
    """A model's answer of usual length, different for every question."""
    draw = random.Random(question)
    return json.dumps(
        {
            "belief": "Trend and volume agree, volatility is falling; a close below the range would end it. "
            * 2,
            "reasons": [f"return_24 at {draw.gauss(0, 0.02):.4f}", "volume above its mean", "calm regime"],
            "depth": round(draw.uniform(-10, 10), 2),
            "confidence": round(draw.random(), 2),
        }
    )


class Missing:
    """Answers out of the store; what it does not hold is counted by role, and answered as before."""

    llm = LLM
    usage = RequestTotals()

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        self.counted = dict.fromkeys(LLM_ROLES, 0)

    def is_tight(self, decision: str) -> bool:
        return False

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        held = self._store.get_many([request.key for request in requests])
        for request in requests:
            self.counted[request.role] += request.key not in held
        return [parse_answer(_said(request.user)) for request in requests]

    def close(self) -> None:
        self._store.close()


def asked_again(questions: Sequence[Question], store: AnswerStore, changed: str) -> dict[str, int]:
    """Questions that are not in the store once one role's prompt says one word more, by role."""
    roles = [
        replace(role, character=f"{role.character} Think.") if role.name == changed else role
        for role in ROLES
    ]
    missing = Missing(store)
    committee = Committee(roles, missing, settings=COMPACT)
    for question in questions:
        committee.ask(*question)
    return missing.counted


def _warm(questions: Sequence[Question], store: AnswerStore, files: FileCache) -> None:
    """Fill both caches with the answers to `questions`."""
    rows: list[AnswerRow] = []

    class Recording:
        llm = LLM

        def is_tight(self, decision: str) -> bool:
            return False

        def ask(self, requests: Sequence[Request]) -> list[Reply]:
            replies: list[Reply] = []
            for request in requests:
                text = _said(request.user)
                answer = parse_answer(text)
                replies.append(answer)
                rows.append(
                    AnswerRow(
                        request.key,
                        request.role,
                        request.model,
                        request.body,
                        encode(answer, text),
                        900,
                        120,
                        1.0,
                        0,
                    )
                )
                files.put(request.role, request.form.system, request.user, text, answer)
            return replies

    recording = Committee(ROLES, Recording(), settings=COMPACT)  # type: ignore[arg-type]
    for question in questions:
        recording.ask(*question)
    store.put(rows)


class FileCache:
    """One indented JSON file per answer with prompt and response, as the peer writes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()

    def put(self, agent: str, system: str, user: str, text: str, answer: Answer) -> None:
        record = {
            "agent": agent,
            "model": LLM.model,
            "system": system,
            "user": user,
            "response": text,
            "parsed": answer.model_dump(),
            "created_at": START.isoformat(),
        }
        self._path(agent, system, user).write_text(json.dumps(record, indent=2))

    def get(self, agent: str, system: str, user: str) -> dict[str, Any] | None:
        path = self._path(agent, system, user)
        if not path.exists():
            return None
        parsed: dict[str, Any] = json.loads(path.read_text())["parsed"]
        return parsed

    def _path(self, agent: str, system: str, user: str) -> Path:
        payload = json.dumps([agent, LLM.model, system, user], separators=(",", ":"))
        return self._folder / f"{hashlib.sha256(payload.encode()).hexdigest()[:24]}.json"


class FilePeer:
    """The same decision over the file cache: same prompts, its own key, no validation when reading."""

    def __init__(self, files: FileCache) -> None:
        self._files = files
        self._disguises = Disguises(Vocabulary())
        self._systems = {role.name: system_message(role) for role in ROLES if role.source == "llm"}

    def ask(self, view: MarketView, recall: Recall, given: Mapping[str, AgentView]) -> tuple[AgentView, ...]:
        brief = Brief(view, recall, mask=self._disguises.of(view))
        views = dict(given)
        for stage in (1, 2):
            seen = tuple(views[role.name] for role in ROLES if role.name in views) if stage == 2 else None
            for role in ROLES:
                if role.source == "llm" and role.stage == stage:
                    views[role.name] = self._view(role.name, brief.user_message(role, Shown(views=seen)))
        return tuple(views[role.name] for role in ROLES)

    def _view(self, agent: str, user: str) -> AgentView:
        parsed = self._files.get(agent, self._systems[agent], user)
        if parsed is None:
            raise SystemExit(f"the file cache has no answer of {agent}: it was warmed with other prompts")
        return AgentView(
            agent, parsed["depth"], parsed["confidence"], parsed["belief"], tuple(parsed["reasons"])
        )


if __name__ == "__main__":
    main()
