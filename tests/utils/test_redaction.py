"""Secrets of a config, planted, in texts, data, addresses, results and log lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode

from agent_market.utils import log_redaction
from agent_market.utils.log_redaction import hide_in_logs
from agent_market.utils.redaction import Redactor, secrets_in_url, without_password, without_secrets

TOKEN, PASSWORD = "planted-token-1", "planted-password-2"
CONFIG = {
    "telegram": {"token": TOKEN},
    "agent_market": {"store": {"url": f"postgresql://me:{PASSWORD}@127.0.0.1/db"}},
}


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A logger of a process that hides the secrets of `CONFIG`; as before afterwards."""
    before = logging.getLogRecordFactory()
    monkeypatch.setattr(log_redaction, "_hiding", {})
    logging.setLogRecordFactory(logging.LogRecord)
    hide_in_logs(CONFIG)
    yield logging.getLogger("somebody.elses")
    logging.setLogRecordFactory(before)


def told(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(logging.Formatter("%(levelname)s %(message)s").format(r) for r in caplog.records)


def test_no_log_line_of_any_library_holds_a_secret(
    hidden: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    hidden.error("asked %s with %d%% of %s", f"http://host/bot{TOKEN}/getMe", 100, {"a": PASSWORD})
    hidden.error(f"100% of {TOKEN}")
    hidden.error("nothing %s", "secret")
    assert told(caplog).splitlines() == [
        "ERROR asked http://host/bot***/getMe with 100% of {'a': '***'}",
        "ERROR 100% of ***",
        "ERROR nothing secret",
    ]


def test_arguments_stay_apart_for_formatters_that_want_them_so(
    hidden: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    hidden.error('%s - "%s" %d', "127.0.0.1:9", f"/ws?key={TOKEN}", 200)
    assert caplog.records[0].args == ("127.0.0.1:9", "/ws?key=***", 200)


def test_a_traceback_is_told_without_the_secret_in_it(
    hidden: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise ValueError(f"refused: {PASSWORD}")
    except ValueError:
        hidden.exception("the driver failed")
    text = told(caplog)
    assert PASSWORD not in text
    assert "ERROR the driver failed\nTraceback" in text
    assert text.endswith("ValueError: refused: ***")


def test_a_secret_that_a_reload_replaced_stays_hidden(
    hidden: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    hide_in_logs({"telegram": {"token": "planted-token-3"}})
    hidden.error("%s then %s", TOKEN, "planted-token-3")
    assert told(caplog) == "ERROR *** then ***"


def test_data_is_cleaned_at_any_depth_and_keeps_its_shape() -> None:
    data = {"cause": f"key {TOKEN}", "n": 1.5, "rows": [{"x": None}, (TOKEN, True)]}
    assert Redactor(CONFIG).data(data) == {"cause": "key ***", "n": 1.5, "rows": [{"x": None}, ["***", True]]}


def test_a_webhook_that_cannot_be_reached_is_not_told_by_its_path() -> None:
    path = "/services/T0123/B0123/planted-hook"
    config = {"webhook": {"enabled": True, "url": f"http://127.0.0.1:9{path}"}}
    with pytest.raises(requests.RequestException, match="planted-hook") as caught:
        requests.post(config["webhook"]["url"], timeout=1)  # type: ignore[index,arg-type]
    said = Redactor(config).text(f"Could not call webhook url. Exception: {caught.value}")
    assert "with url: *** (Caused by" in said
    short = Redactor({"webhook": {"url": "http://127.0.0.1:9/hook"}})
    assert short.text("GET /hook") == "GET /hook", "a path that holds no secret is left alone"


def test_a_header_that_carries_credentials_is_a_secret() -> None:
    config = {"exchange": {"ccxt_config": {"headers": {"Proxy-Authorization": f"Basic {TOKEN}"}}}}
    assert without_secrets(config)["exchange"]["ccxt_config"]["headers"] == {"Proxy-Authorization": "***"}
    assert Redactor(config).text(f"sent Basic {TOKEN}") == "sent ***"


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("http://127.0.0.1:11434/v1", ()),
        ("http://me:pass%40word@host/v1", ("pass%40word", "pass@word")),
        ("https://host/v1?api_key=abcdefg&api-version=2024-01-01", ("abcdefg",)),
        ("http://[broken@host", ("http://[broken@host",)),
    ],
)
def test_secrets_are_found_in_addresses(url: str, secrets: tuple[str, ...]) -> None:
    assert secrets_in_url(url) == secrets


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        (f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1/db", "postgresql+psycopg://me@127.0.0.1/db"),
        ("sqlite:///{user_data}/agent_market.sqlite", "sqlite:///{user_data}/agent_market.sqlite"),
        ("sqlite:////home/me@work/store.sqlite", "sqlite:////home/me@work/store.sqlite"),
    ],
)
def test_a_stores_address_stays_one_without_its_password(url: str, clean: str) -> None:
    assert without_password(url) == clean


def test_a_config_to_keep_holds_no_secret_and_is_else_the_same(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREQTRADE__AGENT_MARKET__STORE__URL", f"postgresql://me:{PASSWORD}@127.0.0.1/db")
    monkeypatch.setenv("FREQTRADE__AGENT_MARKET__LLM__BASE_URL", f"http://me:{TOKEN}@127.0.0.1:9/v1")
    monkeypatch.setenv("FREQTRADE__API_SERVER__JWT_SECRET_KEY", "planted-jwt")
    monkeypatch.setenv("FREQTRADE__EXCHANGE__KEY", "")
    files = [str(repository / "config" / "sandbox.json")]
    arguments = {"config": files, "user_data_dir": str(tmp_path), "timerange": "20240101-20240201"}
    config = Configuration(arguments, RunMode.BACKTEST).get_config()["original_config"]
    kept = without_secrets(config)
    ours = kept["agent_market"]
    assert ours.pop("store")["url"] == "postgresql://me@127.0.0.1/db"
    assert ours["llm"].pop("base_url") == "http://me:***@127.0.0.1:9/v1"
    assert kept["api_server"].pop("jwt_secret_key") == "***"
    for section, key in (("agent_market", "store"), ("api_server", "jwt_secret_key")):
        del config[section][key]
    del config["agent_market"]["llm"]["base_url"]
    assert kept == config
