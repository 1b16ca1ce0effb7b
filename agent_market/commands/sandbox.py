"""`agent-market sandbox`: an exchange and a model server on this machine, for as long as they are needed."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.errors import SandboxError
from agent_market.utils.plain_text import echo

if TYPE_CHECKING:
    from agent_market.sandbox.market import Market

_DATES = ["%Y-%m-%d", "%Y%m%d"]
_FIRST, _LAST = datetime(2022, 1, 1), datetime(2025, 1, 1)


def sandbox(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After `--`: run this with the servers up, and exit with its code."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Serve the freqtrade feather files of this folder.", show_default=False),
    ] = None,
    synthetic: Annotated[
        bool,
        typer.Option("--synthetic", help="Serve the made-up market; it is what is served without --data."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 7,
    pairs: Annotated[
        str | None,
        typer.Option(
            help="Pairs, with commas between. Default: BTC, ETH, BNB, SOL and XRP to USDT, or all files."
        ),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(formats=_DATES, help="First day, UTC. Default: 2022-01-01, or all of the files."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            formats=_DATES, help="Day before which it ends. Default: 2025-01-01, or all of the files."
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Let the market run on with the clock.")] = False,
    replay_from: Annotated[
        datetime | None,
        typer.Option(
            formats=_DATES,
            help="With --data --live: the day in the files (or up to a week later) that is now. "
            "Default: after three quarters of them.",
        ),
    ] = None,
    exchange_port: Annotated[int, typer.Option(help="Port of the exchange; 0 takes a free one.")] = 18080,
    model_port: Annotated[int, typer.Option(help="Port of the model; 0 takes a free one.")] = 18081,
    telegram_port: Annotated[
        int | None, typer.Option(help="Also serve a Telegram Bot API on this port; 0 takes a free one.")
    ] = None,
    write_config: Annotated[
        Path | None,
        typer.Option(help="Write the addresses here, as a freqtrade config to give as a second -c."),
    ] = None,
    faults: Annotated[
        Path | None,
        typer.Option(help="Fault schedule (YAML or JSON); see docs/how-to/sandbox.md.", show_default=False),
    ] = None,
) -> None:
    """A Binance-compatible exchange and an OpenAI-compatible model on 127.0.0.1, without key or network.

    The synthetic market is made up, and the model `heuristic` is a set of rules: neither says anything about
    real markets or real language models. Stop it with Ctrl-C.
    """
    from agent_market.sandbox.endpoints import write_overlay
    from agent_market.sandbox.faults import FaultRegistry, load_plan
    from agent_market.sandbox.server import running
    from agent_market.sandbox.session import MarketChoice, open_market, serving
    from agent_market.sandbox.telegram import create_telegram_app

    if data is not None and synthetic:
        raise SandboxError("choose one market: --data or --synthetic")
    if replay_from is not None and not (live and data):
        raise SandboxError("--replay-from needs --data and --live: it says where a replay starts")
    made_up = data is None
    choice = MarketChoice(
        data=data,
        seed=seed,
        pairs=tuple(pair.strip() for pair in pairs.split(",")) if pairs else None,
        start=_millis(start or (_FIRST if made_up else None)),
        end=_millis(end or (_LAST if made_up else None)),
        live=live,
        replay_from=_millis(replay_from),
    )
    market = open_market(choice)
    board = FaultRegistry(load_plan(faults) if faults else None)
    with ExitStack() as stack:
        endpoints = stack.enter_context(serving(market, board, exchange_port, model_port))
        kind = f"synthetic market, seed {seed}" if made_up else f"candles of {data}"
        echo(f"exchange  {endpoints.exchange}  ({kind}; {_describe(market, live)})")
        echo(f"model     {endpoints.model}/v1  (heuristic: rules, no language model)")
        telegram = None
        if telegram_port is not None:
            telegram = stack.enter_context(running(create_telegram_app(), telegram_port))
            echo(f"telegram  {telegram}/bot  (any token; /admin/say writes as a user)")
        if write_config is not None:
            write_overlay(write_config, endpoints.exchange, endpoints.model, telegram)
            echo(f"config    {write_config}")
        if command:
            raise typer.Exit(_run(command))
        echo("Ctrl-C stops it.")
        _wait()


def _millis(day: datetime | None) -> int | None:
    return None if day is None else int(day.replace(tzinfo=UTC).timestamp() * 1000)


def _describe(market: Market, live: bool) -> str:
    first = min(market.span(pair)[0] for pair in market.pairs)
    begin = datetime.fromtimestamp(first / 1000, UTC)
    now = datetime.fromtimestamp(market.now() / 1000, UTC)
    until = "now, live" if live else f"{now:%Y-%m-%d %H:%M}"
    return f"{', '.join(market.pairs)}; {market.timeframes[0]} and up; {begin:%Y-%m-%d} to {until}"


def _run(command: list[str]) -> int:
    """Run a command to its end; its exit code, or 128 + the number of the signal that ended it."""
    import signal
    import subprocess

    try:
        child = subprocess.Popen(command)
    except OSError as error:
        raise SandboxError(f"cannot run {command[0]!r}: {error.strerror}") from error
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else 128 - code
            except KeyboardInterrupt:
                continue  # the terminal sent it to the command as well: the servers stay up until that ends
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait() -> None:
    """Until Ctrl-C or SIGTERM."""
    import signal
    import threading

    stopped = threading.Event()
    before = [signal.signal(name, lambda *_: stopped.set()) for name in (signal.SIGINT, signal.SIGTERM)]
    try:
        stopped.wait()
    finally:
        for name, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(name, handler)
