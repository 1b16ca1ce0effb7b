"""The plan of one run of a flow: resolved once, then read only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from freqtrade.configuration.directory_operations import create_userdata_dir
from freqtrade.configuration.load_config import load_from_files
from freqtrade.exceptions import OperationalException
from freqtrade.misc import deep_merge_dicts

from agent_market.config.base import FEEDBACK_FOLDER
from agent_market.errors import ConfigError
from agent_market.flow.settings import FlowSettings, Span, midnight, round_spans
from agent_market.runs.identity import code_digest
from agent_market.training.models.registry import model_settings
from agent_market.universe import named_pairs

WARM_UP_DAYS = 30
RUNS = Path("agent_market") / "flow"


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its number from 1, its span, and its folder in the archive of the run."""

    number: int
    span: Span
    folder: Path

    @property
    def results(self) -> Path:
        """Where freqtrade writes this round's result."""
        return self.folder / "result"


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A resolved flow; `config` is the freqtrade config without the keys that only the run knows."""

    settings: FlowSettings
    config: Mapping[str, Any]
    scope: str
    run_id: str
    folder: Path
    rounds: tuple[Round, ...]
    pairs: tuple[str, ...]
    timeframe: str
    datadir: Path

    @property
    def timeframes(self) -> tuple[str, ...]:
        """All timeframes that training needs, the traded one first."""
        more = self.config.get("freqai", {}).get("feature_parameters", {}).get("include_timeframes", [])
        return tuple(dict.fromkeys([self.timeframe, *more]))

    @property
    def pairs_to_download(self) -> tuple[str, ...]:
        """Traded pairs and FreqAI's correlated pairs."""
        more = self.config.get("freqai", {}).get("feature_parameters", {}).get("include_corr_pairlist", [])
        return tuple(dict.fromkeys([*self.pairs, *more]))

    @property
    def history(self) -> timedelta:
        """Length of the candle history needed before the first round."""
        training = int(self.config.get("freqai", {}).get("train_period_days", 0))
        days = self.settings.history_days or training + WARM_UP_DAYS
        mined = self.settings.expressions.history_days if self.settings.expressions else 0
        learned = self.settings.train
        more = training if learned is not None and learned.backtest else 0
        rows = learned.days + more + WARM_UP_DAYS if learned is not None else 0
        return timedelta(days=max(days, mined, rows))

    @property
    def candles_from(self) -> datetime:
        return midnight(self.settings.span.start) - self.history

    @property
    def feedback_folder(self) -> Path:
        return self.settings.userdir / FEEDBACK_FOLDER

    @property
    def runs(self) -> Path:
        """The folder of all runs in this user_data directory."""
        return self.settings.userdir / RUNS

    def identifier(self, number: int, step: str) -> str:
        """FreqAI's identifier for a round; unique to this flow, so leftovers of a kill can be removed."""
        return f"{self.scope}-r{number}-{step}"

    def shown_feedback(self, number: int) -> Path:
        """The feedback file that a round may see, relative to user_data; it is part of the run's identity."""
        return FEEDBACK_FOLDER / self.scope / f"round-{number}.jsonl"


def make_plan(
    settings: FlowSettings, now: datetime | None = None, *, run_id: str | None = None, make: bool = True
) -> FlowPlan:
    """Resolve a flow: read the freqtrade config, create the user_data directory, name run and memory.

    :param run_id: an earlier run to continue; None starts a new one.
    :param make: False creates no directory and writes nothing.
    :raises ConfigError: a freqtrade config cannot be read, or names no pairs or timeframe; the model to train
        does not exist, lacks its library, or has no such parameter.
    """
    try:
        config: dict[str, Any] = load_from_files([str(file) for file in settings.config])
        if make:
            create_userdata_dir(str(settings.userdir), create_dir=True)
    except OperationalException as error:
        raise ConfigError(f"flow.config: {error}") from error
    deep_merge_dicts(chosen_config(settings), config)
    pairs = named_pairs(config)
    timeframe = config.get("timeframe")
    if not pairs or not timeframe:
        missing = "exchange.pair_whitelist" if not pairs else "timeframe"
        raise ConfigError(
            f"the freqtrade config has no `{missing}`; set it there, or `flow` in the flow file"
        )
    if settings.train is not None:
        model_settings(settings.train.model, settings.train.params)
    run_id = run_id or f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    folder = settings.userdir / RUNS / run_id
    exchange = str(config.get("exchange", {}).get("name", "")).lower()
    return FlowPlan(
        settings=settings,
        config=config,
        scope=scope_of(settings, config),
        run_id=run_id,
        folder=folder,
        rounds=tuple(
            Round(n, span, folder / f"round-{n}") for n, span in enumerate(round_spans(settings), start=1)
        ),
        pairs=pairs,
        timeframe=timeframe,
        datadir=settings.userdir / "data" / exchange,
    )


def chosen_config(settings: FlowSettings) -> dict[str, Any]:
    """Return the config keys that the flow file lays over the freqtrade config files."""
    overlay: dict[str, Any] = deep_merge_dicts(settings.freqtrade, {})
    if settings.pairs:
        overlay.setdefault("exchange", {})["pair_whitelist"] = list(settings.pairs)
    if settings.timeframe:
        overlay["timeframe"] = settings.timeframe
    return overlay


def scope_of(settings: FlowSettings, config: Mapping[str, Any]) -> str:
    """Return the scope of this flow's memory; equal flows share it, other flows do not.

    Rounds continue one memory; a change of settings, config or deciding code starts a new one.
    """
    parts = {
        "settings": settings.model_dump(
            mode="json", exclude={"userdir", "config", "strategy_path", "freqaimodel_path", "parallel"}
        ),
        "config": {key: value for key, value in config.items() if key not in ("config_files", "datadir")},
        "code": code_digest(),
    }
    packed = orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)
    return f"{settings.name}-{hashlib.sha256(packed).hexdigest()[:12]}"
