"""Typed settings of a flow file, validated once on reading."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from agent_market.config import Settings, parse_settings
from agent_market.config.flow import FlowSandbox, _apply, _read
from agent_market.training.learning import Learning

WHERE = "flow"


class Span(Settings):
    """Days of a backtest, UTC: from the start of `start` to the start of `end`."""

    start: date
    """First day."""
    end: date
    """The day before which it ends."""

    @property
    def timerange(self) -> str:
        """As freqtrade writes it."""
        return f"{self.start:%Y%m%d}-{self.end:%Y%m%d}"

    @property
    def days(self) -> int:
        return (self.end - self.start).days


class FlowExpressions(Settings):
    """Factor mining before each round, on data known by then (see also `agent_market.mining`)."""

    history_days: int = Field(default=365, ge=30)
    """Days of candles before the first round to search; missing candles are downloaded."""
    promote_share: float = Field(default=0.25, gt=0, lt=1)
    """First round: share of those days, the newest, used to validate the pool. Later rounds validate it on
    the round before them."""


class FlowTraining(Learning):
    """Model search, training and test before each round, on data known by then."""

    days: int = Field(default=180, ge=10)
    """Days of rows before the round; the newest `test_share` of them test the model."""
    backtest: bool = False
    """Whether freqtrade also backtests it over those newest days, besides the round's own backtest."""


class FlowReinforcement(Settings):
    """A policy that is trained and backtested over the same span as the agents."""

    strategy: str = "AgentMarketReinforcement"
    """Strategy that turns the policy's orders into trades."""
    freqaimodel: str = "AgentReinforcementLearner"
    """FreqAI model that trains it."""
    freqtrade: Mapping[str, Any] = Field(default_factory=dict)
    """Keys laid over the freqtrade config of the flow: `freqai.rl_config`, and the algorithm's own
    `freqai.model_training_parameters`, which stand in place of the flow's."""


class FlowEvaluation(Settings):
    """`agent-market evaluate` on the candles of the flow: all strategies, with costs and intervals."""

    every: int = Field(default=12, ge=1)
    """Candles between two decisions."""
    seeds: int = Field(default=5, ge=1)
    """Fits of everything that draws random numbers."""
    first_train_days: int = Field(default=182, ge=10)
    """Days before the first test span."""
    step_days: int = Field(default=182, ge=5)
    """Days of a test span."""
    holdout_days: int = Field(default=182, ge=1)
    """The newest days, held out: a flow never evaluates on them."""
    placebo_draws: int = Field(default=2, ge=0)
    """Draws of each placebo world, in which there is nothing to find."""
    effort: float = Field(default=1.0, gt=0, le=1)
    """Share of the usual training passes; below 1 for quick trials only."""


class FlowParallel(Settings):
    """Where parallel parts of steps run; results and the flow's identity do not depend on it."""

    backend: Literal["loky", "threading", "ray", "dask"] = "loky"
    """joblib's own processes or threads on this machine, or a Ray or Dask cluster (installed by you)."""
    jobs: int = Field(default=1, ge=-1)
    """Parallel jobs; -1 is all cores."""
    address: str | None = None
    """Address of the Ray or Dask cluster; unset starts one on this machine."""

    @field_validator("jobs")
    @classmethod
    def _some_jobs(cls, jobs: int) -> int:
        if jobs == 0:
            raise ValueError("use at least 1, or -1 for all cores")
        return jobs


class FlowSettings(Settings):
    """One closed loop: candles, factors, training, backtest, feedback, report, round after round."""

    name: str = Field(default="flow", pattern=r"^[a-z][a-z0-9_-]{0,40}$")
    """Name of the flow; flows with other names or settings have separate memories and feedback."""
    config: tuple[Path, ...]
    """freqtrade config files, merged in this order, relative to the flow file."""
    userdir: Path
    """freqtrade's user_data directory, relative to the flow file; created if absent."""
    timerange: str = Field(pattern=r"^\d{8}-\d{8}$")
    """Days to backtest over all rounds, `YYYYMMDD-YYYYMMDD`; the second day is not traded."""
    rounds: int = Field(default=1, ge=1, le=100)
    """Number of consecutive rounds; each sees the feedback of those before."""
    strategies: tuple[str, ...] = (
        "AgentMarketStrategy",
        "AgentMarketEqualWeights",
        "AgentMarketQuantOnly",
    )
    """Strategies of each backtest: the agents first, then the baselines."""
    freqaimodel: str = "AgentEnsemble"
    """FreqAI model."""
    strategy_path: Path | None = None
    """Folder of the strategies, if it is not the one in `userdir`, relative to the flow file."""
    freqaimodel_path: Path | None = None
    """Folder of the FreqAI models, if it is not the one in `userdir`, relative to the flow file."""
    pairs: tuple[str, ...] = ()
    """Pairs; empty takes the whitelist of the freqtrade config."""
    timeframe: str | None = None
    """Timeframe; unset takes the freqtrade config's."""
    history_days: int | None = Field(default=None, ge=1)
    """Days of candles before `timerange`. Unset: FreqAI's training period and 30 days for warm-up."""
    freqtrade: Mapping[str, Any] = Field(default_factory=dict)
    """Keys laid over the freqtrade config files, merged as freqtrade merges files."""
    sandbox: FlowSandbox | None = None
    """Serve a sandbox market and model on this machine during the flow; unset uses those of the config."""
    expressions: FlowExpressions | None = None
    """Mine factors before each round (`expressions: {}` with defaults); unset leaves the step out."""
    train: FlowTraining | None = None
    """Search, train and test a model before each round; where it is the one behind `freqaimodel`, the
    round's backtest trains with the parameters that it found. Unset leaves the step out."""
    rl: FlowReinforcement | None = None
    """Train and backtest a reinforcement learning policy in each round; unset leaves the step out."""
    evaluate: FlowEvaluation | None = None
    """Compare all strategies on the flow's candles, once; unset leaves the step out."""
    parallel: FlowParallel = FlowParallel()
    """Where parallel parts of steps run."""

    @field_validator("config")
    @classmethod
    def _some(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        if not files:
            raise ValueError("name at least one freqtrade config file")
        return files

    @model_validator(mode="after")
    def _long_enough(self) -> FlowSettings:
        span = self.span
        if span.days < self.rounds:
            raise ValueError(
                f"timerange {self.timerange} has {span.days} days, too few for {self.rounds} rounds"
            )
        return self

    @property
    def span(self) -> Span:
        """All rounds together."""
        first, last = (datetime.strptime(day, "%Y%m%d").date() for day in self.timerange.split("-"))
        return Span(start=first, end=last)


def load_flow_settings(file: Path, changes: Sequence[str] = ()) -> FlowSettings:
    """Read a flow file (YAML or JSON), apply the changes, and validate it.

    :param changes: `key=value` with a dotted key (`sandbox.seed=3`) and a YAML value.
    :return: the settings, with absolute paths.
    :raises ConfigError: names the file and each invalid key, its value and the nearest existing key.
    """
    raw = _read(file)
    for change in changes:
        _apply(raw, change)
    settings = parse_settings(FlowSettings, raw, WHERE)
    return _absolute(settings, file.resolve().parent)


def round_spans(settings: FlowSettings) -> tuple[Span, ...]:
    """Return the span of each round: whole days, consecutive, as equal in length as possible."""
    span, rounds = settings.span, settings.rounds
    cuts = [span.start + timedelta(days=span.days * n // rounds) for n in range(rounds + 1)]
    return tuple(Span(start=a, end=b) for a, b in pairwise(cuts))


def midnight(day: date) -> datetime:
    """The start of a day, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _absolute(settings: FlowSettings, folder: Path) -> FlowSettings:
    def place(path: Path | None) -> Path | None:
        return None if path is None else (folder / path.expanduser()).resolve()

    sandbox = settings.sandbox
    if sandbox is not None:
        sandbox = sandbox.model_copy(update={"data": place(sandbox.data)})
    return settings.model_copy(
        update={
            "config": tuple((folder / path.expanduser()).resolve() for path in settings.config),
            "userdir": (folder / settings.userdir.expanduser()).resolve(),
            "strategy_path": place(settings.strategy_path),
            "freqaimodel_path": place(settings.freqaimodel_path),
            "sandbox": sandbox,
        }
    )


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a hint for a mistyped word: the nearest known one, or all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(known)}"
