"""Routes under /api/v1/agents on freqtrade's real API server beside a real bot."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from freqtrade.persistence import Trade

from agent_market.bot.journal.trade_notes import note_decision
from agent_market.bot.rest import schemas
from agent_market.errors import StoreError
from agent_market.store.risk_notes import risk_notes_of
from agent_market.stress.dry_config import WALLET
from agent_market.utils.redaction import Redactor
from tests.helpers.api_bot import SECRETS, TRADED, USER, ApiBot, api_bot
from tests.helpers.dry_bot import PAIRS

BASE = "/api/v1/agents"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBot]:
    with api_bot(tmp_path_factory.mktemp("api")) as running:
        yield running


def ours(api: ApiBot) -> dict[str, Any]:
    paths = api.client.get("/openapi.json").json()["paths"]
    return {path: methods for path, methods in paths.items() if path.startswith(BASE)}


def every_operation(api: ApiBot) -> list[tuple[str, str]]:
    filled = [(re.sub(r"\{.*?\}", "1", path), methods) for path, methods in ours(api).items()]
    return [(method, path) for path, methods in filled for method in methods]


# --- who may ask ---------------------------------------------------------------------------------------


def token(secret: str, **changes: Any) -> dict[str, str]:
    claims = {
        "identity": {"u": USER},
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "iat": datetime.now(UTC),
        "type": "access",
    } | changes
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="},
        {"Authorization": "Basic w7w6w7w="},
        token("another secret that is long enough for hs256"),
        token(SECRETS["jwt"], type="refresh"),
        token(SECRETS["jwt"], exp=datetime(2020, 1, 1, tzinfo=UTC)),
    ],
    ids=["nobody", "no token", "wrong password", "broken", "forged", "refresh token", "expired"],
)
def test_nobody_gets_past_the_door_anywhere(api: ApiBot, headers: dict[str, str]) -> None:
    operations = every_operation(api)
    assert len(operations) == 18
    before = api.dry.attachment.control.state()
    with httpx.Client(base_url=api.url) as stranger:
        for method, path in operations:
            answer = stranger.request(method, path, headers=headers, json={"mode": "manual", "yes": True})
            assert answer.status_code in (401, 403), (method, path, answer.status_code)
    assert api.dry.attachment.control.state() == before


def test_a_token_of_freqtrades_login_is_as_good_as_the_password(api: ApiBot) -> None:
    bearer = api.client.post("/api/v1/token/login").json()["access_token"]
    answer = httpx.get(f"{api.url}{BASE}/status", headers={"Authorization": f"Bearer {bearer}"})
    assert answer.status_code == 200


# --- reading -------------------------------------------------------------------------------------------


def test_status_tells_what_runs_here(api: ApiBot) -> None:
    status = api.get("status")
    assert status["attached"] is True
    assert status["strategy"] == "Always"
    assert (status["runmode"], status["scope"], status["has_store"]) == ("dry_run", "live", True)
    assert status["last_decision"] == "2024-01-01T04:00:00Z"
    assert status["breaker"] == {"frozen": False, "since": None, "until": None, "alarms": []}
    assert api.get("runs") == []


def test_decisions_come_newest_first_in_pages_that_join_without_a_gap(api: ApiBot) -> None:
    all_at_once = [d["id"] for d in api.get("decisions")["decisions"]]
    assert all_at_once == ["ETH/USDT@4", TRADED, "BTC/USDT@2", "BTC/USDT@1", "BTC/USDT@0"]
    paged: list[str] = []
    before: dict[str, str] = {}
    while True:
        page = api.get("decisions", limit=2, **before)
        paged += [d["id"] for d in page["decisions"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert paged == all_at_once
    assert [d["id"] for d in api.get("decisions", pair="ETH/USDT")["decisions"]] == ["ETH/USDT@4"]
    since = api.get("decisions", since="2024-01-01T03:00:00")["decisions"]
    assert [d["id"] for d in since] == all_at_once[:2]


def test_each_fate_is_told_and_can_be_asked_for(api: ApiBot) -> None:
    api.noted("refusal", "ETH/USDT", "ETH/USDT@4", cause="no free funds")
    api.noted("fill", "BTC/USDT", TRADED, slippage=0.0, seconds=1.0)
    fates = {d["id"]: d["fate"] for d in api.get("decisions")["decisions"]}
    assert fates == {
        "ETH/USDT@4": "refused",
        TRADED: "traded",
        "BTC/USDT@2": "not_traded",
        "BTC/USDT@1": "clamped",
        "BTC/USDT@0": "hold",
    }
    for name, fate in fates.items():
        assert [d["id"] for d in api.get("decisions", fate=fate)["decisions"]] == [name]
    refused = api.get("decisions", fate="refused")["decisions"][0]
    assert refused["refusal"] == "no free funds"
    assert api.get("decisions", fate="clamped")["decisions"][0]["clamps"] == ["turbulence"]


def test_a_decision_is_shown_whole_with_what_the_gate_did(api: ApiBot) -> None:
    api.noted("fill", "BTC/USDT", TRADED, slippage=0.001, seconds=1.0)
    whole = api.get(f"decisions/{TRADED}")
    assert whole["fate"] == "traded"
    assert whole["episode"]["decision"]["contributions"] == {"quant": 3.0, "aggressive": 1.0}
    assert (whole["journal"][-1]["kind"], whole["journal"][-1]["slippage"]) == ("fill", 0.001)
    clamp = {"limit": "free_funds", "threshold": 0.1, "value": 0.02, "before": 9.0, "after": 4.5}
    api.noted("clamps", "BTC/USDT", "BTC/USDT@0", clamps=[clamp])
    deadline = time.monotonic() + 30  # the file is written first, and that is what `noted` waits for
    while not (kept := risk_notes_of(api.store, "live", "BTC/USDT@0")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [(note.kind, note.data["clamps"]) for note in kept] == [("clamps", [clamp])]
    (api.dry.attachment.control.folder / "risk.jsonl").rename(api.dry.folder / "moved.jsonl")
    journal = api.get("decisions/BTC/USDT@0")["journal"]
    (api.dry.folder / "moved.jsonl").rename(api.dry.attachment.control.folder / "risk.jsonl")
    assert [line["clamps"] for line in journal] == [[clamp]], "the store has it too"
    missing = api.client.get(f"{BASE}/decisions/BTC/USDT@never")
    assert missing.status_code == 404
    assert "no decision 'BTC/USDT@never'" in missing.json()["detail"]


def test_debates_are_listed_and_read(api: ApiBot) -> None:
    assert [d["decision"] for d in api.get("debates")["debates"]] == ["BTC/USDT@2"]
    debate = api.get("debates/BTC/USDT@2")
    assert debate["debate"]["held_reason"] == "wide dispersion"
    assert "[quant] proposes" in debate["transcript"]
    without = api.get("debates/BTC/USDT@1")
    assert without["debate"] is None
    assert "No full debate" in without["transcript"]


def test_memory_is_searched_as_it_stood_then(api: ApiBot) -> None:
    now = api.get("memory", query="breakout")
    assert [hit["text"] for hit in now["hits"]] == [
        "quant: a breakout above the yearly high looms with rising volume"
    ]
    then = api.get("memory", query="breakout", asof="2024-01-01T11:59:59")
    assert then["hits"] == []


def test_weights_run_from_old_to_new(api: ApiBot) -> None:
    found = api.get("weights", pair="BTC/USDT", limit=2)["weighings"]
    assert [w["decision"] for w in found] == ["BTC/USDT@2", TRADED]
    assert found[0]["weights"] == {"quant": 0.5, "aggressive": 0.5}


def test_risk_shows_budget_limits_and_journal(api: ApiBot) -> None:
    api.dry.process()
    api.noted("refusal", "ETH/USDT", "ETH/USDT@9", cause="planted")
    risk = api.get("risk", limit=5)
    budget = risk["budget"]
    used = sum(holding["loss_at_stop"] for holding in budget["holdings"])
    assert {holding["pair"] for holding in budget["holdings"]} <= set(PAIRS)
    assert len(budget["holdings"]) == len(Trade.get_open_trades()) > 0
    assert budget["equity"] == pytest.approx(WALLET, rel=0.1)
    assert budget["book_loss_limit"] == pytest.approx(0.15 * budget["equity"])
    assert budget["book_loss_left"] == pytest.approx(budget["book_loss_limit"] - used)
    assert risk["limits"]["entry"]["leverage"] == 1.5
    assert risk["journal"][-1]["cause"] == "planted"
    assert len(risk["journal"]) <= 5
    assert api.get("risk", limit=0)["journal"] == []


def test_cost_is_summed_over_the_store(api: ApiBot) -> None:
    cost = api.get("cost")
    assert cost["total"] == {"calls": 1, "tokens": 120, "cost": 0.25}
    assert cost["today"] == {"calls": 0, "tokens": 0, "cost": 0.0}
    assert cost["day_caps"] == {"calls": 50_000, "tokens": 100_000_000, "cost": 20.0}


def test_alerts_can_be_asked_for_from_where_one_left_off(api: ApiBot) -> None:
    alert = api.dry.attachment.bus.publish("info", "message", "planted", pair="A/B")
    newest = api.get("alerts", limit=1)["alerts"][0]
    assert (newest["number"], newest["text"], newest["data"]) == (alert.number, "planted", {"pair": "A/B"})
    assert api.get("alerts", after=alert.number)["alerts"] == []


def test_an_alert_is_resolved_by_its_id_and_leaves_the_open_ones(api: ApiBot) -> None:
    api.dry.attachment.bus.publish("warning", "fault", "planted to resolve")

    def planted(**asked: Any) -> list[dict[str, Any]]:
        found = api.get("alerts", limit=500, **asked)["alerts"]
        return [alert for alert in found if alert["text"] == "planted to resolve"]

    deadline = time.monotonic() + 60.0
    while (alert := planted()[0])["id"] is None:
        assert time.monotonic() < deadline
    answer = api.client.post(f"/api/v1/agents/alerts/{alert['id']}/resolve", json={})
    assert answer.status_code == 200, answer.text
    assert answer.json()["resolved_by"] == f"rest:{USER}"
    assert planted(open=True) == []
    assert planted()[0]["resolved_at"] is not None


def test_a_filled_entry_carries_its_decision_where_frequi_looks(api: ApiBot) -> None:
    api.dry.process()
    trade = Trade.get_trades_proxy(pair="BTC/USDT")[0]
    note_decision(api.dry.strategy.config, trade)
    note = trade.get_custom_data("agent_market_decision")
    assert (note["decision"], note["depth"]) == (TRADED, 4.0)
    assert note["contributions"] == {"quant": 3.0, "aggressive": 1.0}
    shown = api.client.get(f"/api/v1/trades/{trade.id}/custom-data").json()
    assert "agent_market_decision" in {row["key"] for entry in shown for row in entry["custom_data"]}


# --- control -------------------------------------------------------------------------------------------


def test_pause_mode_and_resume_are_signed_with_the_user(api: ApiBot) -> None:
    paused = api.post("control/pause", {"reason": "news"})
    assert (paused["paused"], paused["paused_by"], paused["reason"]) == (True, f"rest:{USER}", "news")
    assert api.dry.attachment.control.state().paused
    assert api.post("control/mode", {"mode": "confirm"})["mode"] == "confirm"
    assert api.client.post(f"{BASE}/control/mode", json={"mode": "yolo"}).status_code == 422
    assert api.post("control/resume")["paused"] is False
    assert api.get("control") == api.get("status")["switch"]
    assert api.post("control/mode", {"mode": "auto"})["mode"] == "auto"
    told = api.get("alerts", limit=4)["alerts"]
    assert all(a["topic"] == "control" and a["data"]["by"] == f"rest:{USER}" for a in told)


def test_a_proposal_is_answered_once(api: ApiBot) -> None:
    asked, _ = api.dry.attachment.confirmations.ask("BTC/USDT", "long", "t BTC/USDT@9", 100.0, 5.0, 1.0)
    waiting = api.get("proposals")["proposals"]
    assert [(p["number"], p["answer"]) for p in waiting] == [(asked.number, "pending")]
    said = api.post(f"proposals/{asked.number}", {"yes": False})
    assert (said["answer"], said["answered_by"]) == ("refused", f"rest:{USER}")
    again = api.client.post(f"{BASE}/proposals/{asked.number}", json={"yes": True})
    assert again.status_code == 404


# --- secrets -------------------------------------------------------------------------------------------


def test_no_planted_secret_is_in_any_answer_or_log(
    api: ApiBot, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    bus = api.dry.attachment.bus
    bus.publish("info", "message", "planted", note=f"a driver said {SECRETS['exchange']}")
    answers = [
        api.client.request(method, path, json={"reason": "x", "mode": "auto"}).text
        for method, path in every_operation(api)
    ]

    def fails(*_: Any) -> Any:
        raise StoreError(f"driver: refused, key {SECRETS['exchange']}")

    monkeypatch.setattr("agent_market.bot.rest.status.cost_of", fails)
    failed = api.client.get(f"{BASE}/cost")
    assert failed.status_code == 503
    assert "key ***" in failed.json()["detail"]
    answers.append(failed.text)
    api.noted("refusal", "BTC/USDT", "BTC/USDT@77", cause=f"the gate failed: key {SECRETS['exchange']}")
    api.dry.attachment.fault("planted", RuntimeError(f"key {SECRETS['jwt']}"))
    journal = (api.dry.attachment.control.folder / "risk.jsonl").read_text()
    assert '"cause":"the gate failed: key ***"' in journal
    alerts = "".join(alert.text for alert in bus.recent())
    assert "key ***" in alerts
    # Log lines of all of freqtrade's, uvicorn's and ours; httpx is this test's own client.
    logged = [logging.Formatter().format(r) for r in caplog.records if not r.name.startswith("http")]
    assert any("key ***" in line for line in logged)
    for text in (*answers, journal, alerts, *logged):
        assert not [name for name, secret in SECRETS.items() if secret in text], text


def test_secrets_are_found_by_name_in_urls_and_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", SECRETS["llm"])
    redactor = Redactor(
        {
            "exchange": {"apiKey": 'quoted"secret', "name": "binance"},
            "telegram": {
                "token": "planted-telegram",
                "keyboard": [["/daily_report"]],
                "chat_id": "123456789",
            },
            "webhook": {
                "url": "https://hooks.example/abcdef",
                "webhookstatus": {"value1": "Status: {status}"},
            },
            "agent_market": {
                "llm": {"api_key_env": "PLANTED_KEY"},
                "store": {"url": f"postgresql://u:{SECRETS['store']}@host/db"},
            },
        }
    )
    leak = json.dumps(
        [
            "planted-telegram",
            SECRETS["llm"],
            SECRETS["store"],
            'quoted"secret',
            "https://hooks.example/abcdef",
        ]
    )
    assert json.loads(redactor.text(leak)) == ["***"] * 5
    innocent = "/daily_report binance 123456789 Status: {status} PLANTED_KEY"
    assert redactor.text(innocent) == innocent


# --- the description -----------------------------------------------------------------------------------


def test_every_operation_and_parameter_and_field_is_described(api: ApiBot) -> None:
    schema = api.client.get("/openapi.json").json()
    for path, methods in ours(api).items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert operation["security"], (method, path)
            assert "$ref" in json.dumps(operation["responses"]["200"]["content"]), (method, path)
            assert {"401", "503"} <= set(operation["responses"])
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), (path, parameter["name"])
    for name, model in vars(schemas).items():
        if isinstance(model, type) and issubclass(model, schemas.Answer) and model is not schemas.Answer:
            assert schema["components"]["schemas"][name]["description"]
            for field, described in model.model_json_schema()["properties"].items():
                assert described.get("description"), (name, field)
