"""The committee at work: stage-1 agents are asked together, those of stage 2 after them, with their views.

Where dispersion or stakes are high, a full debate (`agents.debate`) is held between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from agent_market.agents.agent_runner import AgentReply, AgentRunner
from agent_market.agents.debate.debate import Argue, Argument, DebateRoles, held_reason, rule
from agent_market.agents.prompts.belief_history import past_beliefs
from agent_market.agents.prompts.feedback import FeedbackBook
from agent_market.agents.prompts.user_prompt import NOTHING, Brief, Shown
from agent_market.agents.roles import Role, role_table
from agent_market.agents.tuning.versions import PromptBook, version_of
from agent_market.config import AgentMarketSettings, AgentSettings
from agent_market.errors import ConfigError
from agent_market.llm.answers.schemas import Answer, Belief
from agent_market.llm.answers.sources import Answers, open_answers
from agent_market.llm.decision_context import current_context
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.llm.egress.masking import Disguises
from agent_market.records import AgentView, Debate, Episode, MarketView, Recall
from agent_market.store.database import Database
from agent_market.store.variants import EVERY_SCOPE

_PLANS_KEPT = 64


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A role table sorted by when each speaks; worked out once, and not for each decision."""

    roles: tuple[Role, ...]
    given: tuple[Role, ...]
    hidden: frozenset[str]
    """Agents that have a view and a weight, but that prompts, debates and their triggers do not see."""
    first: tuple[Role, ...]
    second: tuple[Role, ...]
    visible: tuple[str, ...]
    debaters: DebateRoles | None
    prompts: Mapping[str, str]
    """Version of the prompt of each agent that reads one, by name."""

    @classmethod
    def of(cls, roles: Sequence[Role], settings: AgentSettings) -> CallPlan:
        first = tuple(role for role in roles if role.source == "llm" and role.stage == 1)
        second = tuple(role for role in roles if role.source == "llm" and role.stage == 2)
        unseen = () if settings.rule_evidence else tuple(r.name for r in roles if r.source == "rule")
        return cls(
            roles=tuple(roles),
            given=tuple(role for role in roles if role.source != "llm"),
            hidden=frozenset(unseen),
            first=first,
            second=second,
            visible=tuple(role.name for role in roles if role not in second and role.name not in unseen),
            debaters=DebateRoles.of({role.name: role for role in roles}, settings.debate),
            prompts={role.name: version for role in roles if (version := version_of(role)) is not None},
        )


@dataclass(frozen=True, slots=True)
class Deliberation:
    """What the committee came to: every agent's view in table order, and the debate if one was held."""

    views: tuple[AgentView, ...]
    debate: Debate | None = None


class CommitteeBooks(Protocol):
    """The books that a committee reads as of each decision; `books.Shelf` is one."""

    @property
    def prompts(self) -> PromptBook:
        """The role table over time."""
        ...

    @property
    def feedback(self) -> FeedbackBook:
        """Findings of earlier rounds."""
        ...


@dataclass(frozen=True, slots=True)
class FixedBooks:
    """Books that stay as they are, for a committee outside a running bot."""

    prompts: PromptBook
    feedback: FeedbackBook = field(default_factory=FeedbackBook)


class Committee:
    """Ask every agent of a role table for its view of one decision.

    The order of views is that of the table. An agent that cannot be asked, or whose answer is not valid,
    abstains with its cause; nothing a model says raises. Thread-safe if `answers` is.

    Example: `Committee(role_table(settings.agents), answers).ask(view, recall, {"quant": quant_view})`.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        answers: Answers,
        feedback: FeedbackBook | None = None,
        neighbours: int = 8,
        glossary: Mapping[str, str] | None = None,
        settings: AgentSettings | None = None,
        vocabulary: Vocabulary | None = None,
        is_masked: bool = True,
        horizon: int = 12,
        book: PromptBook | None = None,
        books: Callable[[], CommitteeBooks] | None = None,
    ) -> None:
        """
        :param roles: the table, as `role_table` gives it; views come back in its order.
        :param book: the same table with the prompts that were promoted over time; None keeps `roles`.
        :param books: asked at each decision for prompts and feedback, in place of `book` and `feedback`: the
            books of a bot that runs change.
        :param neighbours: how many recalled cases a prompt shows.
        :param glossary: meaning of each feature by name, for the system messages.
        :param vocabulary: names that masked prompts hide; None takes the built-in ones.
        :param is_masked: whether prompts hide which market and moment they are about.
        :param horizon: candles of the decision horizon, for the stakes.
        :raises ConfigError: every decision is to be debated, and a debate role is unfilled.
        """
        self.roles = tuple(roles)
        self.answers = answers
        self._settings = settings or AgentSettings()
        fixed = FixedBooks(book or PromptBook((self.roles,)), feedback or FeedbackBook())
        self._books = books or (lambda: fixed)
        self._neighbours = neighbours
        self._horizon = horizon
        self.disguises = Disguises((vocabulary or Vocabulary()) if is_masked else None)
        self._ask = AgentRunner(answers, glossary, is_masked)
        self._plans: dict[int, CallPlan] = {}
        if self._settings.debate.mode == "full" and self._plan(self.roles).debaters is None:
            raise ConfigError(
                "`agent_market.agents.debate.mode` = 'full' needs its proposer, critic and judge in the role "
                "table, each an agent that reads a prompt, and the judge in stage 2"
            )

    def ask(
        self,
        view: MarketView,
        recall: Recall,
        given: Mapping[str, AgentView],
        recent: Iterable[Episode] = (),
    ) -> tuple[AgentView, ...]:
        """Every agent's view or abstention, in table order; see `deliberate`.

        A full debate is left on the open case (`llm.decision_context`).
        """
        deliberation = self.deliberate(view, recall, given, recent)
        if deliberation.debate is not None:
            current_context().debate = deliberation.debate
        return deliberation.views

    def deliberate(
        self,
        view: MarketView,
        recall: Recall,
        given: Mapping[str, AgentView],
        recent: Iterable[Episode] = (),
    ) -> Deliberation:
        """Ask every agent, and hold a debate where one is called for.

        :param given: the views of agents that no endpoint is asked for, by role name ("quant", "memory");
            one that is missing is an abstention.
        :param recent: episodes of the pair decided before `view.asof`, newest first, for the beliefs.
        :raises ReplayMiss: replay mode, and an answer was never recorded.
        :raises StoreError: the answer store cannot be read.
        :raises DataError: the view holds a number that is not finite.
        """
        books = self._books()
        plan = self._plan(books.prompts.at(view.asof))
        brief = Brief(
            view,
            recall,
            books.feedback.at(view.asof),
            self._neighbours,
            self.disguises.of(view),
            self._settings.headlines,
        )
        shown = self._histories(plan, view, recent)
        came = {role.name: _given(role, given) for role in plan.given}
        views = {name: view for name, view in came.items() if name not in plan.hidden}
        views |= self._views(brief, plan.first, shown, plan.prompts)
        argument = self._argue(brief, view, recall, views, plan, shown)
        if argument is not None:
            views |= argument.views
        # Shown in table order, not in the order of arrival: the prompt must not depend on luck.
        visible = tuple(views[name] for name in plan.visible)
        last = {r.name: Shown(views=visible, history=shown[r.name].history) for r in plan.second}
        if argument is None or plan.debaters is None or argument.proposal is None:
            views |= self._views(brief, plan.second, last, plan.prompts)
            debate = None if argument is None else argument.unruled()
        else:
            judge = plan.debaters.judge
            others = [role for role in plan.second if role is not judge]
            views |= self._views(brief, others, last, plan.prompts)
            views[judge.name], debate = rule(self._ask, brief, judge, argument, last[judge.name])
        for name, version in plan.prompts.items():
            if views[name].prompt is None:
                views[name] = replace(views[name], prompt=version)
        views = came | views
        return Deliberation(tuple(views[role.name] for role in plan.roles), debate)

    def close(self) -> None:
        """Close the source of answers."""
        self.answers.close()

    def _plan(self, table: tuple[Role, ...]) -> CallPlan:
        """The plan of a role table; worked out once for each that is in force."""
        plan = self._plans.get(id(table))
        # By identity, for a table is large to hash; the table in the plan tells whether it is still the same.
        if plan is None or plan.roles is not table:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans = {}
            plan = self._plans[id(table)] = CallPlan.of(table, self._settings)
        return plan

    def _histories(self, plan: CallPlan, view: MarketView, recent: Iterable[Episode]) -> dict[str, Shown]:
        asked = (*plan.first, *plan.second)
        episodes = tuple(recent) if self._settings.beliefs else ()
        if not episodes:
            return dict.fromkeys((role.name for role in asked), NOTHING)
        return {
            role.name: Shown(history=past_beliefs(role.name, episodes, view, self._settings.beliefs))
            for role in asked
        }

    def _views(
        self, brief: Brief, roles: Sequence[Role], shown: Mapping[str, Shown], prompts: Mapping[str, str]
    ) -> dict[str, AgentView]:
        """The views of some agents at once, in one step or two, with the versions of their prompts."""
        questions = [(role, shown[role.name]) for role in roles]
        if self._settings.steps == "one":
            replies = self._ask.put(brief, "view", questions)
            return {h.role.name: _view(h, prompts.get(h.role.name)) for h in replies}
        views: dict[str, AgentView] = {}
        beliefs: dict[str, Belief] = {}
        for reply in self._ask.put(brief, "belief", questions):
            if isinstance(reply.said, Belief):
                beliefs[reply.role.name] = reply.said
            else:
                views[reply.role.name] = _silent(reply)
        decided = [
            (role, shown[role.name]._replace(belief=(b.belief, b.reasons)))
            for role in roles
            if (b := beliefs.get(role.name)) is not None
        ]
        for reply in self._ask.put(brief, "decision", decided):
            belief = beliefs[reply.role.name]
            view = _view(reply)
            if not view.abstains:
                view = replace(view, belief=belief.belief, reasons=belief.reasons)
            views[reply.role.name] = view
        return views

    def _argue(
        self,
        brief: Brief,
        view: MarketView,
        recall: Recall,
        views: Mapping[str, AgentView],
        plan: CallPlan,
        shown: Mapping[str, Shown],
    ) -> Argument | None:
        settings, debaters = self._settings.debate, plan.debaters
        because = None if debaters is None else held_reason(views, view, settings, self._horizon)
        if debaters is None or because is None or self.answers.is_tight(_occasion(view, views)):
            return None
        cases = replace(recall, neighbours=recall.neighbours[: self._neighbours])
        return Argue(self._ask, brief, debaters, settings, views, shown).hold(because, cases)


def open_committee(
    settings: AgentMarketSettings,
    database: Database,
    user_data: Path,
    glossary: Mapping[str, str] | None = None,
    pairs: Sequence[str] = (),
    is_live: bool = False,
    scope: str = "",
    books: Callable[[], CommitteeBooks] | None = None,
    markets: Sequence[str] = (),
) -> Committee:
    """The committee of a config. A relative `agents.feedback_file` is taken from `user_data`.

    :param pairs: the traded pairs, whose symbols masked prompts hide.
    :param is_live: whether it decides now, and not in a backtest: by default nothing is masked then.
    :param scope: what is run; the spend is booked on it.
    :param books: asked at each decision for prompts and feedback; None reads both now and keeps them.
    :param markets: every market of the exchange, whose symbols masked prompts hide too.
    :raises ConfigError: the role table, the debate or the feedback file of the config is wrong.
    """
    answers = open_answers(settings.llm, database, settings.budget, scope)
    book = prompt_book(settings, database) if books is None else books().prompts
    return seat_committee(settings, answers, book, user_data, glossary, pairs, is_live, books, markets)


def prompt_book(settings: AgentMarketSettings, database: Database, scope: str | None = None) -> PromptBook:
    """The role table of a config, with the prompts that were promoted for a scope or for every scope.

    :param scope: None takes `memory.scope` of the config.
    :raises ConfigError: the role table of the config is wrong.
    :raises StoreError: the store cannot be read.
    """
    scope = (settings.memory.scope or EVERY_SCOPE) if scope is None else scope
    return PromptBook.read(role_table(settings.agents), database, settings.llm, scope)


def feedback_book(settings: AgentMarketSettings, user_data: Path) -> FeedbackBook:
    """The feedback of a config; a relative `agents.feedback_file` is taken from `user_data`.

    :raises ConfigError: the folder does not exist, or the file cannot be read.
    """
    path = settings.agents.feedback_file
    return FeedbackBook.load(user_data / path if path else None, settings.agents.feedback_entries)


def seat_committee(
    settings: AgentMarketSettings,
    answers: Answers,
    book: PromptBook,
    user_data: Path,
    glossary: Mapping[str, str] | None = None,
    pairs: Sequence[str] = (),
    is_live: bool = False,
    books: Callable[[], CommitteeBooks] | None = None,
    markets: Sequence[str] = (),
) -> Committee:
    """The committee of a config over a given source of answers and role table; see `open_committee`."""
    agents = settings.agents
    return Committee(
        roles=book.tables[0],
        answers=answers,
        feedback=None if books is not None else feedback_book(settings, user_data),
        neighbours=settings.memory.k,
        glossary=glossary,
        settings=agents,
        vocabulary=Vocabulary(pairs, agents.masked_names, markets),
        is_masked=agents.masking == "always" or (agents.masking == "backtests" and not is_live),
        horizon=settings.decision.horizon_candles,
        book=book,
        books=books,
    )


def _occasion(view: MarketView, views: Mapping[str, AgentView]) -> str:
    """Names a decision by what is the same in recording and replay."""
    said = (f"{name} {views[name].answer_key}" for name in sorted(views))
    return "\n".join((f"{view.pair} {view.timeframe} {view.asof.isoformat()}", *said))


def _given(role: Role, given: Mapping[str, AgentView]) -> AgentView:
    return given.get(role.name) or AgentView.abstain(role.name, f"no view came from the {role.source}")


def _silent(reply: AgentReply) -> AgentView:
    return AgentView.abstain(reply.role.name, reply.silent_reason or "no answer")


def _view(reply: AgentReply, prompt: str | None = None) -> AgentView:
    said = reply.said
    if not isinstance(said, Answer):
        return _silent(reply)
    return AgentView(
        agent=reply.role.name,
        depth=said.depth,
        confidence=said.confidence,
        belief=said.belief,
        reasons=said.reasons,
        answer_key=reply.key,
        horizon=said.horizon,
        invalidation=said.level,
        prompt=prompt,
    )
