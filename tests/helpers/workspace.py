"""A user_data folder, a sandbox and the real freqtrade command line, for integration tests and benchmarks."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_market.records import Episode
from agent_market.runs.manifest import RunManifest, latest_manifest
from agent_market.sandbox.endpoints import overlay
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.market import Market
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.store.database import Database, store_url
from agent_market.store.episodes import episodes_of

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = "AgentEnsemble"
STRATEGY = "AgentMarketStrategy"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    output: str

    @property
    def text(self) -> str:
        """The output on one line: freqtrade wraps its log to the width of the terminal."""
        return " ".join(self.output.split())


@dataclass(frozen=True, slots=True)
class Workspace:
    """One trader's user_data with our files in it, and the config of a running sandbox."""

    user_data: Path
    endpoints: Mapping[str, Any]

    def config(self, changes: Mapping[str, Any] | None = None) -> Path:
        """Write `config/sandbox.json` with `changes` merged into it; returns the file."""
        base = json.loads((REPOSITORY / "config" / "sandbox.json").read_text())
        file = self.user_data / "config.json"
        file.write_text(json.dumps(merged(merged(base, self.endpoints), changes or {}), indent=2))
        return file

    def freqtrade(
        self, *arguments: str, timeout: float = 600, environment: Mapping[str, str] | None = None
    ) -> Result:
        """Run `freqtrade` on this workspace's config and user_data."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **(environment or {})},
            cwd=self.user_data.parent,
            check=False,
        )
        return Result(done.returncode, done.stdout + done.stderr)

    def command(self, *arguments: str) -> list[str]:
        """The command line of `freqtrade` here."""
        places = ["--userdir", str(self.user_data), "-c", str(self.user_data / "config.json")]
        return [sys.executable, "-m", "freqtrade", *arguments, *places]

    def download(self, timerange: str, timeframe: str = "1h") -> Result:
        """`freqtrade download-data` from the sandbox."""
        return self.freqtrade("download-data", "--timerange", timerange, "--timeframes", timeframe)

    def backtest(self, timerange: str, *arguments: str, **options: Any) -> Result:
        """`freqtrade backtesting` of our strategy with our model."""
        chosen = (
            () if "--strategy-list" in arguments or "--strategy" in arguments else ("--strategy", STRATEGY)
        )
        model = () if "--freqaimodel" in arguments else ("--freqaimodel", MODEL)
        fixed = ("--timerange", timerange, "--cache", "none")
        return self.freqtrade("backtesting", *chosen, *model, *fixed, *arguments, **options)

    def manifest(self) -> RunManifest:
        """The newest run's manifest."""
        return latest_manifest(self.user_data)

    def episodes(self, scope: str | None = None) -> tuple[Episode, ...]:
        """The decisions of a run, the newest by default."""
        manifest = self.manifest()
        database = Database(store_url(manifest.store_url, self.user_data))
        try:
            return episodes_of(database, scope or manifest.scope)
        finally:
            database.close()

    def forget_models(self) -> None:
        """Delete everything that FreqAI cached."""
        shutil.rmtree(self.user_data / "models", ignore_errors=True)


def make_workspace(folder: Path, endpoints: Mapping[str, Any]) -> Workspace:
    """A fresh user_data under `folder` with our strategies and models."""
    user_data = folder / "user_data"
    for name in ("strategies", "freqaimodels"):
        shutil.copytree(REPOSITORY / "user_data" / name, user_data / name)
    for name in ("data", "backtest_results", "logs", "hyperopt_results"):
        (user_data / name).mkdir()
    workspace = Workspace(user_data, endpoints)
    workspace.config()
    return workspace


@contextmanager
def sandbox(market: Market) -> Iterator[tuple[dict[str, Any], str]]:
    """A running sandbox over `market`: the config overlay for it, and the model server's URL."""
    with ExitStack() as stack:
        exchange = stack.enter_context(running(create_exchange_app(market)))
        model = stack.enter_context(running(create_model_app()))
        yield overlay(exchange, model), model


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, section by section."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        inner = result.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[key] = merged(inner, value) if both else copy.deepcopy(value)
    return result


def unwrapped(log: Path) -> str:
    """A bot's log without the line breaks that freqtrade puts in at a terminal's width."""
    return " ".join(log.read_text(errors="replace").split())


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a bot as a service manager does: not by Ctrl-C, which is ignored below a shell's background job."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("the bot did not end within a minute of SIGTERM") from None
