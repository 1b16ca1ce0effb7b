"""`agent-market doctor`: each check sees what is wrong, says it, and says what to do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.commands.checks import candles, installation, services, settings, versions
from agent_market.commands.checks.finding import Finding
from agent_market.commands.init import Template, templates
from agent_market.config import AgentMarketSettings, ContextSeries, LLMSettings, NewsSettings, load_settings
from agent_market.store.database import Database
from agent_market.store.schema import answers

# --- versions ---------------------------------------------------------------------------------------


def having(**versions_of: str) -> Callable[[str], str | None]:
    """A machine on which exactly these are installed."""
    return lambda name: versions_of.get(name)


def test_the_pins_are_those_of_constraints_txt(repository: Path) -> None:
    assert f"torch=={versions.TORCH}" in (repository / "constraints.txt").read_text().splitlines()


@pytest.mark.parametrize(("version", "level"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 13), "ok")])
def test_an_old_python_fails(version: tuple[int, int], level: str) -> None:
    assert versions.python_version(version).level == level


@pytest.mark.parametrize(
    ("version", "level"),
    [("2026.8", "fail"), ("2026.9", "ok"), ("2026.10", "ok"), ("2026.11", "fail"), ("2026.10.dev0", "ok")],
)
def test_freqtrade_outside_the_tested_range_fails(version: str, level: str) -> None:
    finding = versions.freqtrade_version(having(freqtrade=version))
    assert finding.level == level
    assert version in finding.detail


def test_absent_freqtrade_fails_with_the_command_that_brings_it() -> None:
    assert "pip install 'freqtrade" in versions.freqtrade_version(having()).advice


def test_this_environment_has_no_conflict() -> None:
    assert versions.conflicts("freqtrade").level == "ok"
    assert versions.conflicts("agent-market").level == "ok"


def test_a_package_out_of_range_is_named_with_the_range_it_should_have() -> None:
    def machine(name: str) -> str | None:
        return "0.1" if name.lower() == "ccxt" else versions.installed(name)

    finding = versions.conflicts("freqtrade", machine)
    assert finding.level == "fail"
    assert finding.detail.startswith("ccxt 0.1, needs >=")


@pytest.mark.parametrize(("version", "level"), [(None, "ok"), ("2.13.0+cpu", "ok"), ("2.14.0", "warn")])
def test_another_torch_is_a_warning(version: str | None, level: str) -> None:
    assert versions.torch_version(lambda _: version).level == level


def test_a_package_that_does_not_load_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_wheel.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    finding = versions.importable("broken_wheel")
    assert finding.level == "fail"
    assert "libgomp" in finding.detail
    assert versions.importable("lightgbm").level == "ok"


# --- files ------------------------------------------------------------------------------------------


def test_our_files_are_missing_then_current_then_different(tmp_path: Path) -> None:
    file = Template(Path("strategies/S.py"), b"ours")
    assert installation.template(file, tmp_path).level == "fail"
    (tmp_path / "strategies").mkdir()
    (tmp_path / file.target).write_bytes(b"ours")
    assert installation.template(file, tmp_path).level == "ok"
    (tmp_path / file.target).write_bytes(b"mine")
    finding = installation.template(file, tmp_path)
    assert finding.level == "warn"
    assert "agent-market init" in finding.advice


@pytest.mark.parametrize(("free_gib", "level"), [(0.5, "fail"), (2, "warn"), (50, "ok")])
def test_a_nearly_full_disk_is_seen(
    free_gib: float, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = int(free_gib * installation.GIB)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda _: type("U", (), {"free": free})())
    assert installation.disk(tmp_path).level == level


# --- config -----------------------------------------------------------------------------------------


def test_a_config_that_freqtrade_refuses_fails_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"exchange": {"name": "binance"}, "dry_run": true, "trading_mode": "sideways"}')
    config, finding = settings.load_config([file], tmp_path)
    assert config is None
    assert finding.level == "fail"
    assert "sideways" in finding.detail


def test_a_wrong_key_fails_with_the_nearest_one() -> None:
    parsed, finding = settings.settings({"agent_market": {"llm": {"base_ur": "x"}}})
    assert parsed is None
    assert finding.level == "fail"
    assert "`base_url`" in finding.detail


def test_freqai_off_fails_and_two_horizons_warn() -> None:
    ours = AgentMarketSettings()
    horizon = ours.decision.horizon_candles

    def freqai(label: int) -> dict[str, Any]:
        return {"freqai": {"enabled": True, "feature_parameters": {"label_period_candles": label}}}

    assert settings.freqai_section({}, ours).level == "fail"
    assert settings.freqai_section(freqai(horizon), ours).level == "ok"
    assert settings.freqai_section(freqai(horizon + 1), ours).level == "warn"


def test_a_model_elsewhere_without_a_price_fails_and_says_what_to_add() -> None:
    llm = {"base_url": "https://api.example.com/v1", "model": "large"}
    found = settings.model_prices(load_settings({"agent_market": {"llm": llm}}))
    assert found.level == "fail"
    assert '"large"' in found.detail
    assert "budget.prices" in found.detail
    price = {"model": "large", "input_per_million": 2.5, "output_per_million": 10.0}
    section = {"llm": llm, "budget": {"prices": [price]}}
    assert settings.model_prices(load_settings({"agent_market": section})).level == "ok"
    assert settings.model_prices(load_settings({})).level == "ok"


def test_an_api_without_secrets_fails_and_one_that_is_off_is_no_matter() -> None:
    api = {"enabled": True, "username": "me", "password": "", "jwt_secret_key": settings.DEFAULT_JWT_KEY}
    finding = settings.api_secrets({"api_server": api})
    assert finding is not None
    assert finding.level == "fail"
    assert "`password` is empty" in finding.detail
    assert "jwt_secret_key" in finding.detail
    safe = api | {"password": "x", "jwt_secret_key": "0" * 32}
    assert settings.api_secrets({"api_server": safe}) == Finding("ok", "API secrets", "set")
    assert settings.api_secrets({"api_server": {"enabled": False}}) is None


def test_a_secret_in_a_file_is_named_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"exchange": {"secret": "hunter2"} /* freqtrade takes comments */}')
    finding = settings.secrets_in_files([file])
    assert finding.level == "warn"
    assert "exchange.secret" in finding.detail
    assert "hunter2" not in str(finding)


# --- data -------------------------------------------------------------------------------------------

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "datadir": tmp_path,
        "timeframe": "1h",
        "exchange": {"pair_whitelist": ["BTC/USDT"]},
        "freqai": {"train_period_days": 5, "backtest_period_days": 2},
    }


def write_candles(folder: Path, pair: str, hours: int, without: range = range(0)) -> None:
    times = pd.date_range(START, periods=hours, freq="1h").as_unit("ms")
    frame = pd.DataFrame({"date": times, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0})
    frame = frame.drop(index=list(without)).reset_index(drop=True)
    frame.to_feather(folder / f"{pair.replace('/', '_')}-1h.feather", compression="lz4")


def examine(config: Mapping[str, Any], at_hour: int) -> list[Finding]:
    return list(candles.candles(config, START + timedelta(hours=at_hour)))


def test_whole_candles_are_ok_with_range_and_age(config: dict[str, Any], tmp_path: Path) -> None:
    write_candles(tmp_path, "BTC/USDT", hours=240)
    (finding,) = examine(config, at_hour=243)
    assert finding.level == "ok"
    assert finding.detail == "2024-01-01 to 2024-01-11 00:00, 0 missing, last one 3 h old"


def test_pairs_without_candles_are_named_in_one_warning(config: dict[str, Any], tmp_path: Path) -> None:
    config["exchange"]["pair_whitelist"] += ["ETH/USDT", "SOL/USDT"]
    write_candles(tmp_path, "BTC/USDT", hours=240)
    present, absent = examine(config, at_hour=240)
    assert present.level == "ok"
    assert absent.level == "warn"
    assert "ETH/USDT, SOL/USDT" in absent.detail
    assert "download-data" in absent.advice


def test_a_gap_is_counted_not_filled(config: dict[str, Any], tmp_path: Path) -> None:
    write_candles(tmp_path, "BTC/USDT", hours=240, without=range(100, 130))
    (finding,) = examine(config, at_hour=240)
    assert finding.level == "warn"
    assert "30 missing" in finding.detail


def test_too_little_to_train_on_is_seen(config: dict[str, Any], tmp_path: Path) -> None:
    write_candles(tmp_path, "BTC/USDT", hours=6 * 24)
    (finding,) = examine(config, at_hour=6 * 24)
    assert finding.level == "warn"
    assert "6 days" in finding.detail
    assert "7 days" in finding.advice


def test_a_file_that_is_no_feather_file_fails(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT-1h.feather").write_bytes(b"not a table")
    (finding,) = examine(config, at_hour=0)
    assert finding.level == "fail"


def test_a_context_series_that_is_absent_fails(tmp_path: Path) -> None:
    series = ContextSeries(name="vix", path=Path("vix.csv"), value_column="close", time_column="date")
    finding = candles.context_series(series, tmp_path)
    assert finding.level == "fail"
    assert "vix.csv" in finding.detail


def test_news_that_load_are_counted_and_a_damaged_line_fails(tmp_path: Path) -> None:
    news = NewsSettings(files=(Path("news.jsonl"),))
    (tmp_path / "news.jsonl").write_text('{"known_at": "2024-03-01T09:30:00Z", "title": "Rates rise"}\n')
    assert candles.news_files(news, tmp_path) == Finding("ok", "news", "1 items load", "")
    (tmp_path / "news.jsonl").write_text('{"title": "Rates rise"}\n')
    finding = candles.news_files(news, tmp_path)
    assert finding.level == "fail"
    assert "news.jsonl line 1: known_at" in finding.detail


# --- services ---------------------------------------------------------------------------------------


def test_a_taken_api_port_fails_before_freqtrade_hangs_on_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = {"enabled": True, "listen_ip_address": "127.0.0.1", "listen_port": port}
        finding = services.api_port({"api_server": api})
        assert finding is not None
        assert finding.level == "fail"
        assert "hang" in finding.advice
        assert services.api_port({"api_server": api | {"enabled": False}}) is None
    free = services.api_port({"api_server": api})
    assert free is not None
    assert free.level == "ok"


def test_the_database_is_opened_written_to_and_left_empty(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    assert services.database(url).level == "ok"
    store = Database(url)
    with store.begin() as connection:
        assert connection.execute(select(func.count()).select_from(answers)).scalar() == 0
    store.close()


def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    finding = services.database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    assert finding.level == "fail"
    assert "store.sqlite" in finding.detail


class Endpoint(ThreadingHTTPServer):
    """A scripted OpenAI-compatible server; `answer` is the text of every completion."""

    answer = '{"depth": 0, "confidence": 0.5, "belief": "still", "reasons": ["nothing moves"]}'
    asked: dict[str, Any] | None = None
    key_wanted: str | None = None
    names: tuple[str, ...] | None = ("tiny",)
    finish = "stop"
    context: int | None = None
    refuses: Callable[[dict[str, Any]], bool] = staticmethod(lambda body: False)


class Script(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        if self.server.names is None:
            self._say({"detail": "Not Found"}, 404)
            return
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in self.server.names]
        self._say({"object": "list", "data": rows})

    def do_POST(self) -> None:
        self.server.asked = body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.refuses(body):
            self._say({"error": {"message": "no"}}, 400)
            return
        message = {"role": "assistant", "content": self.server.answer}
        choice = {"index": 0, "message": message, "finish_reason": self.server.finish}
        reply: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 0, "choices": [choice]}
        if self.server.context is not None:
            count = sum(len(m["content"]) for m in body["messages"]) // 3
            reply["usage"] = {"prompt_tokens": min(count, self.server.context), "completion_tokens": 40}
        self._say(reply)

    def _say(self, body: object, status: int = 200) -> None:
        key = self.headers.get("Authorization")
        welcome = key == self.server.key_wanted
        data = json.dumps(body if welcome else {"error": {"message": f"bad key {key}"}}).encode()
        self.send_response(status if welcome else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(("127.0.0.1", 0), Script) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def llm(server: Endpoint, **changes: Any) -> LLMSettings:
    base: dict[str, Any] = {
        "base_url": f"http://127.0.0.1:{server.server_port}/v1",
        "model": "tiny",
        "retries": 0,
    }
    return LLMSettings(**(base | changes))


def test_a_good_endpoint_is_asked_one_real_prompt(endpoint: Endpoint) -> None:
    listed, answered, long = services.model_endpoint(llm(endpoint))
    assert (listed.level, answered.level, long.level) == ("ok", "ok", "warn")
    assert "counts no tokens" in long.detail
    assert "depth +0, confidence 0.5" in answered.detail
    assert endpoint.asked is not None
    assert endpoint.asked["response_format"]["type"] == "json_schema"


def test_an_endpoint_without_the_model_names_those_it_has(endpoint: Endpoint) -> None:
    listed, answered, _ = services.model_endpoint(llm(endpoint, model="huge"))
    assert listed.level == "warn"
    assert "tiny" in listed.detail
    assert answered.level == "ok", "it answers, and that is what counts"


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (("tiny",), "ok"),
        (("models/tiny",), "ok"),
        (("tiny:latest",), "ok"),
        (("other",), "warn"),
        ((), "warn"),
        (None, "ok"),
    ],
)
def test_an_endpoint_that_answers_passes_whatever_it_lists(
    endpoint: Endpoint, names: tuple[str, ...] | None, level: str
) -> None:
    endpoint.names = names
    listed, answered, _ = services.model_endpoint(llm(endpoint))
    assert (listed.level, answered.level) == (level, "ok")


@pytest.mark.parametrize(("context", "level"), [(2_048, "fail"), (4_096, "fail"), (32_768, "ok")])
def test_an_endpoint_that_cuts_long_prompts_fails(endpoint: Endpoint, context: int, level: str) -> None:
    endpoint.context = context
    *_, long = services.model_endpoint(llm(endpoint))
    assert long.level == level
    if level == "fail":
        assert f"counted {context:,} tokens" in long.detail
        assert "OLLAMA_CONTEXT_LENGTH" in long.detail


def test_an_endpoint_that_refuses_long_prompts_fails(endpoint: Endpoint) -> None:
    endpoint.refuses = lambda body: len(json.dumps(body)) > 15_000
    *_, long = services.model_endpoint(llm(endpoint))
    assert long.level == "fail"
    assert "context length" in long.advice


def test_an_endpoint_that_takes_no_schema_is_worth_a_look(endpoint: Endpoint) -> None:
    endpoint.refuses = lambda body: "response_format" in body
    _, answered, _ = services.model_endpoint(llm(endpoint))
    assert answered.level == "warn"
    assert "the prompt alone" in answered.detail


def test_a_model_that_thinks_longer_than_it_may_answer_fails_with_what_to_set(endpoint: Endpoint) -> None:
    endpoint.answer, endpoint.finish = f"<think>perhaps {Endpoint.answer}, but", "length"
    _, answered = services.model_endpoint(llm(endpoint))
    assert answered.level == "fail"
    assert "cut off" in answered.detail
    assert "reasoning_effort" in answered.advice


def test_every_endpoint_is_asked_alone(endpoint: Endpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        gone = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    fallback = {"base_url": llm(endpoint).base_url, "model": "tiny"}
    found = tuple(services.model_endpoint(LLMSettings(base_url=gone, retries=0, fallbacks=[fallback])))
    assert [finding.level for finding in found] == ["fail", "ok", "ok", "warn"]


def test_a_model_that_does_not_keep_to_the_schema_fails(endpoint: Endpoint) -> None:
    endpoint.answer = "I would rather buy."
    _, answered = services.model_endpoint(llm(endpoint))
    assert answered.level == "fail"
    assert "abstain" in answered.advice


def test_an_endpoint_that_is_down_fails_with_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    (finding,) = services.model_endpoint(LLMSettings(base_url=url))
    assert finding.level == "fail"
    assert url in finding.detail


def test_an_address_that_is_none_fails() -> None:
    (finding,) = services.model_endpoint(LLMSettings(base_url="localhost:11434"))
    assert finding.level == "fail"
    assert "base_url" in finding.detail


def test_a_key_is_sent_and_never_shown(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_TESTS", "hunter2")
    endpoint.key_wanted = "Bearer hunter3"
    (refused,) = services.model_endpoint(llm(endpoint, api_key_env="SECRET_OF_TESTS"))
    assert refused.level == "fail"
    assert "hunter2" not in str(refused)
    endpoint.key_wanted = "Bearer hunter2"
    listed, answered, _ = services.model_endpoint(llm(endpoint, api_key_env="SECRET_OF_TESTS"))
    assert (listed.level, answered.level) == ("ok", "ok")


def test_replay_mode_asks_no_endpoint() -> None:
    (finding,) = services.model_endpoint(LLMSettings(base_url="http://127.0.0.1:1/v1", mode="replay"))
    assert finding.level == "ok"


# --- the command ------------------------------------------------------------------------------------


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *args])
    return result.exit_code, result.output


def test_it_fails_without_our_files_and_says_how_to_get_them(tmp_path: Path) -> None:
    code, output = run("--userdir", str(tmp_path))
    assert code == 1
    assert "agent-market init" in output


def test_it_passes_on_a_whole_installation(
    tmp_path: Path, repository: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, ["init", "--userdir", str(tmp_path)])
    monkeypatch.setenv("FREQTRADE__AGENT_MARKET__LLM__BASE_URL", llm(endpoint).base_url)
    monkeypatch.setenv("FREQTRADE__AGENT_MARKET__LLM__MODEL", "tiny")
    code, output = run("-d", str(tmp_path), "-c", str(repository / "config" / "sandbox.json"), "--json")
    findings = {f["what"]: f for f in json.loads(output)}
    assert code == 0, output
    assert {f["level"] for f in findings.values()} == {"ok", "warn"}
    assert findings["candles"]["level"] == "warn"
    assert {str(t.target) for t in templates() if t.target.suffix == ".py"} <= set(findings)
    assert findings["answer of tiny"]["level"] == "ok"


def test_a_user_data_that_is_not_there_ends_the_examination(tmp_path: Path) -> None:
    code, output = run("-d", str(tmp_path / "absent"))
    assert code == 1
    assert "create-userdir" in output


def test_without_a_config_it_says_what_it_did_not_look_at(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["init", "--userdir", str(tmp_path)])
    code, output = run("-d", str(tmp_path))
    assert code == 0
    assert "-c" in output


# --- the pair list ------------------------------------------------------------------------------------


def on_pairs(config: dict[str, Any], whitelist: list[str], **more: Any) -> list[Finding]:
    config |= {"exchange": {"pair_whitelist": whitelist}, "stake_currency": "USDT", **more}
    config["freqai"]["enabled"] = True
    return [finding for finding in examine(config, at_hour=240) if finding.what == "pairs"]


def test_a_pattern_is_shown_with_the_pairs_that_freqai_trains(config: dict[str, Any], tmp_path: Path) -> None:
    for pair in ("BTC/USDT", "ETH/USDT"):
        write_candles(tmp_path, pair, hours=240)
    (finding,) = on_pairs(config, ["(BTC|ETH|SOL)/USDT"])
    assert finding.level == "ok"
    assert "FreqAI trains BTC/USDT, ETH/USDT" in finding.detail


def test_a_list_made_by_volume_without_names_fails_because_nothing_is_trained(
    config: dict[str, Any], tmp_path: Path
) -> None:
    write_candles(tmp_path, "BTC/USDT", hours=240)
    by_volume = [{"method": "VolumePairList", "number_assets": 5}]
    (finding,) = on_pairs(config, [], pairlists=by_volume)
    assert finding.level == "fail"
    assert "FreqAI trains no pair" in finding.detail
    assert "StaticPairList" in finding.advice
    (finding,) = on_pairs(config, ["BTC/USDT"], pairlists=by_volume)
    assert finding.level == "warn"
    assert "only BTC/USDT" in finding.detail


def test_a_broken_pattern_fails_and_a_plain_list_says_nothing(config: dict[str, Any], tmp_path: Path) -> None:
    (finding,) = on_pairs(config, ["*/USDT"])
    assert finding.level == "fail"
    assert "`.*/USDT`" in finding.detail
    write_candles(tmp_path, "BTC/USDT", hours=240)
    assert on_pairs(config, ["BTC/USDT"]) == []
