"""Mine factors before each round on data known by then, and choose those that become features.

Each search works in its own folder, which holds only the pool of the previous round, so that it depends on
nothing that another run left in the user_data directory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from freqtrade.misc import deep_merge_dicts

from agent_market.config import AgentMarketSettings, load_settings
from agent_market.config.base import FEEDBACK_FOLDER
from agent_market.errors import ConfigError
from agent_market.factors.mining.files import EXPRESSIONS_FILE, FEATURES_FILE
from agent_market.factors.mining.publishing import publish
from agent_market.factors.mining.records import Span
from agent_market.flow.files import copy_atomically
from agent_market.flow.fingerprints import code_of, versions_of
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import midnight
from agent_market.flow.steps.base import Context, Say, Step
from agent_market.llm.answers.sources import Answers, open_answers
from agent_market.reports.feedback import FEEDBACK_FILE, visible_feedback
from agent_market.store.database import Database, store_url
from agent_market.utils.durable import replace_text

NOT_SET = "`expressions` is not set in the flow file"


class Expressions(Step):
    """Search on all data before the previous round, and validate the pool on the previous round.

    The first round validates on the newest `promote_share` of its history instead.
    """

    name = "expressions"
    needs = ("download",)
    before = ("expressions", "features")
    products = (EXPRESSIONS_FILE,)

    def left_out(self, plan: FlowPlan) -> str | None:
        return None if plan.settings.expressions else NOT_SET

    def inputs(self, at: Context) -> Mapping[str, Any]:
        plan = at.plan
        settings = load_settings(plan.config)
        return {
            "mining": settings.mining.model_dump(mode="json"),
            "costs": settings.costs.model_dump(mode="json"),
            "model": [settings.llm.model, settings.llm.temperature, settings.llm.seed],
            "spans": [str(span) for span in spans_of(plan, at.number)],
            "pairs": [plan.pairs, plan.timeframe],
            "feedback": visible_feedback(plan.feedback_folder, plan.scope, at.number),
            "code": code_of("factors", "stats", "llm/answers", "agents/prompts"),
            "packages": versions_of("numpy", "numba", "pandas", "scipy"),
        }

    def make(self, at: Context, folder: Path, say: Say) -> None:
        try:  # numba is an extra
            from agent_market.factors.mining.api import mine, panel_of  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the step `expressions` needs the package {error.name}; install agent-market[factors]"
            ) from error

        plan = at.plan
        settings = load_settings(_config(at))
        home = plan.folder / f"round-{at.number}" / f".{self.name}.home"  # outlives kill -9: a search goes on
        _furnish(home, at)
        search, prove = spans_of(plan, at.number)
        mode = str(plan.config.get("trading_mode") or "spot")
        panel = panel_of(plan.datadir, plan.pairs, plan.timeframe, mode, search.start, prove.end)
        database = Database(store_url(settings.store.url, plan.settings.userdir))
        try:
            with _model(settings, database, plan) as client:
                found = mine(settings, panel, search, prove, client, database, home, say)
        finally:
            database.close()
        shutil.copyfile(home / FEEDBACK_FOLDER / EXPRESSIONS_FILE, folder / EXPRESSIONS_FILE)
        shutil.rmtree(home)
        verdict = "promoted" if found.promoted else "not promoted"
        say(
            f"{found.pool_size} factors of {found.tried} tried, joint IC {found.joint_in:+.3f} in and "
            f"{found.joint_out:+.3f} out of sample; {verdict}, {found.trials} trials counted"
        )

    def publish(self, at: Context, folder: Path, warn: Say) -> None:
        copy_atomically(folder / EXPRESSIONS_FILE, at.plan.feedback_folder / EXPRESSIONS_FILE)

    def figures(self, folder: Path) -> Mapping[str, Any]:
        found = _read(folder / EXPRESSIONS_FILE)
        return {
            "pool": len(found["factors"]),
            "joint_in": found["joint_ic"],
            "joint_out": found["joint_ic_later"],
            "tried": found["tried"],
            "trials": found["trials"],
            "promoted": found["promoted"],
        }


class Features(Step):
    """Choose FreqAI's features: the pool if it was promoted, else the factors in force before."""

    name = "features"
    needs = ("expressions",)
    before = ("features",)
    products = (FEATURES_FILE,)

    def left_out(self, plan: FlowPlan) -> str | None:
        return None if plan.settings.expressions else NOT_SET

    def inputs(self, at: Context) -> Mapping[str, Any]:
        return {
            "mining": load_settings(at.plan.config).mining.model_dump(mode="json"),
            "code": code_of("factors/mining"),
        }

    def make(self, at: Context, folder: Path, say: Say) -> None:
        home = folder / "home"
        files = home / FEEDBACK_FOLDER
        copy_atomically(at.made_by("expressions") / EXPRESSIONS_FILE, files / EXPRESSIONS_FILE)
        held = at.made_before(self.name)
        if held is not None:
            copy_atomically(held / FEATURES_FILE, files / FEATURES_FILE)
        published = publish(home, load_settings(at.plan.config).mining)
        shutil.copyfile(published.file, folder / FEATURES_FILE)
        shutil.rmtree(home)
        say("; ".join(published.lines))

    def publish(self, at: Context, folder: Path, warn: Say) -> None:
        copy_atomically(folder / FEATURES_FILE, at.plan.feedback_folder / FEATURES_FILE)

    def figures(self, folder: Path) -> Mapping[str, Any]:
        return {"features": len(_read(folder / FEATURES_FILE)["factors"])}


def spans_of(plan: FlowPlan, number: int) -> tuple[Span, Span]:
    """Return the span that a round's search uses, and the later span that validates its pool.

    The second span ends where the round begins, so no data of the round is used.
    """
    chosen = plan.settings.expressions
    assert chosen is not None
    begins = midnight(plan.rounds[0].span.start)
    first = begins - timedelta(days=chosen.history_days)
    if number == 1:
        boundary = begins - timedelta(days=round(chosen.history_days * chosen.promote_share))
    else:
        boundary = midnight(plan.rounds[number - 2].span.start)
    return Span(first, boundary), Span(boundary, _begin(plan, number))


def _begin(plan: FlowPlan, number: int) -> datetime:
    return midnight(plan.rounds[number - 1].span.start)


def _furnish(home: Path, at: Context) -> None:
    """Copy the files of the previous round, if any, into the folder of the search."""
    files = home / FEEDBACK_FOLDER
    for step, name in (("expressions", EXPRESSIONS_FILE), ("features", FEATURES_FILE)):
        earlier = at.made_before(step)
        if earlier is not None:
            copy_atomically(earlier / name, files / name)
        else:
            (files / name).unlink(missing_ok=True)
    shown = visible_feedback(at.plan.feedback_folder, at.plan.scope, at.number)
    replace_text(files / FEEDBACK_FILE, shown)


def _config(at: Context) -> dict[str, Any]:
    """Return the flow's config with the market's endpoints and the folder's feedback."""
    own = {"agent_market": {"agents": {"feedback_file": str(FEEDBACK_FOLDER / FEEDBACK_FILE)}}}
    merged: dict[str, Any] = deep_merge_dicts(dict(at.plan.config), {})
    return deep_merge_dicts(own, deep_merge_dicts(at.market.overlay, merged))


@contextmanager
def _model(settings: AgentMarketSettings, database: Database, plan: FlowPlan) -> Iterator[Answers | None]:
    """Yield the source of model answers; None if the model is not a proposer."""
    if "llm" not in settings.mining.proposers:
        yield None
        return
    client = open_answers(settings.llm, database, settings.budget, f"{plan.scope}-factors")
    try:
        yield client
    finally:
        client.close()


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))
