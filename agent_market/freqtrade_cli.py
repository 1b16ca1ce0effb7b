"""Run freqtrade as a child process: log its output and raise on failure."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from agent_market.errors import FlowError

WORDS_OF_A_FAILURE = 15
TABLE_WIDTH = "160"
_LOG_LINE = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - (?P<source>\S+) - (?P<level>[A-Z]+) - (?P<text>.*)$"
)
_TERMINATE_S = 10.0
CHILD = "agent_market.supervised"


@dataclass(frozen=True, slots=True)
class FreqtradeCall:
    """One finished call: `log` holds freqtrade's log, `output` its tables, `seconds` its wall time."""

    log: Path
    output: Path
    seconds: float


def call_freqtrade(
    step: str, arguments: Sequence[str], folder: Path, on_words: Callable[[str], None]
) -> FreqtradeCall:
    """Run `freqtrade ARGUMENTS`, log to `<folder>/<step>.log` and tables to `<folder>/<step>.out`.

    :param step: name of the log files and prefix of errors.
    :param arguments: freqtrade's command and options.
    :param folder: where the files go; created if absent.
    :param on_words: called with each log message of freqtrade as it comes, for progress.
    :raises FlowError: freqtrade could not be started or exited with a code other than 0; the message quotes
        its errors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, output = folder / f"{step}.log", folder / f"{step}.out"
    command = [sys.executable, "-m", "freqtrade", *arguments]
    environment = {**os.environ, "COLUMNS": TABLE_WIDTH, "PYTHONUNBUFFERED": "1"}
    started = monotonic()
    with log.open("w", encoding="utf-8") as log_file, output.open("w", encoding="utf-8") as output_file:
        log_file.write(f"$ {shlex.join(command)}\n")
        log_file.flush()
        process = _start(step, [command[0], "-m", CHILD, *command[2:]], environment, output_file.fileno())
        try:
            newest = _follow(process, log_file.write, on_words)
            code = process.wait()
        finally:
            _stop(process)
            assert process.stdin is not None
            process.stdin.close()
    if code != 0:
        raise FlowError(_failure(step, code, list(newest), log))
    return FreqtradeCall(log, output, monotonic() - started)


def last_words(log: Path) -> str:
    """Return the end of a log, for a failure that freqtrade did not report."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return _indented([line for line in lines if line.strip()][-WORDS_OF_A_FAILURE:])


def message_of(line: str) -> str:
    """Return the text of a freqtrade log line without time, source and level; other lines unchanged."""
    match = _LOG_LINE.match(line)
    return match["text"] if match else line


def _start(step: str, command: list[str], environment: dict[str, str], output: int) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise FlowError(f"{step}: freqtrade could not be started: {error}") from error


def _follow(
    process: subprocess.Popen[str], write: Callable[[str], int], on_words: Callable[[str], None]
) -> deque[str]:
    newest: deque[str] = deque(maxlen=400)
    assert process.stderr is not None
    for line in process.stderr:
        write(line)
        stripped = line.rstrip()
        if stripped:
            newest.append(stripped)
            on_words(message_of(stripped))
    return newest


def _stop(process: subprocess.Popen[str]) -> None:
    """Stop freqtrade, so that it never outlives its flow, Ctrl-C included."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(step: str, code: int, lines: list[str], log: Path) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    words = _words_of_failure(lines)
    reported = f" and reported:\n{_indented(words)}" if words else " and reported nothing."
    return f"{step}: freqtrade {how}{reported}\nFull log: {log}"


def _words_of_failure(lines: list[str]) -> list[str]:
    """Return freqtrade's error messages, else its last lines; a long traceback keeps its end."""
    errors = [n for n, line in enumerate(lines) if _is_error(line)]
    if not errors:
        return lines[-WORDS_OF_A_FAILURE:]
    shown = lines[errors[0] :]
    kept = shown if len(shown) <= WORDS_OF_A_FAILURE else [shown[0], "...", *shown[-WORDS_OF_A_FAILURE + 2 :]]
    return [message_of(line) for line in kept]


def _is_error(line: str) -> bool:
    match = _LOG_LINE.match(line)
    return match is not None and match["level"] in ("ERROR", "CRITICAL")


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)
