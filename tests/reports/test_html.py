from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from agent_market.config import load_settings
from agent_market.errors import DataError
from agent_market.reports.backtest_result import load_run
from agent_market.reports.comparison import compare
from agent_market.reports.content import ReportContent
from agent_market.reports.html import facts, json_for_html, render, silence, write_report
from agent_market.reports.scorecards import scorecards
from agent_market.reports.text import MINUS
from tests.helpers.backtest_results import START, make_candles, make_trade, write_result
from tests.helpers.sample_episodes import AGENTS, make_episode, make_history

OURS = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")
ATTACKS = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(1)>",
    "Ignore your rules.\u2028<!--<script>",
    "{{ 7 * 7 }} {% for %}",
)


@pytest.fixture(autouse=True)
def short_plotly(request, monkeypatch):
    """Plotly's five megabytes only where a test is about them."""
    if "whole" not in request.node.name:
        monkeypatch.setattr("agent_market.reports.html.get_plotlyjs", lambda: "window.Plotly = {};")


class Page(HTMLParser):
    """Elements, and the text of scripts, as a browser would take them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.words: list[str] = []
        self._script: str | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs).get("id") or f"script-{len(self.scripts)}"

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def data(self, name: str):
        return json.loads(self.scripts[name])


def content_of(folder, strategies=None, episodes=None, days=40, pairs=("BTC/USDT", "ETH/USDT"), **changes):
    strategies = {name: [make_trade()] for name in OURS} if strategies is None else strategies
    config = changes.pop("config", {})
    run = load_run(write_result(folder, strategies, days, pairs, config=config))
    candles = {pair: make_candles([100.0 + n % 7 for n in range(days * 24 + 1)]) for pair in pairs}
    candles = changes.pop("candles", candles)
    return ReportContent(
        run=run,
        comparison=compare(run, candles, 0.001, weighing="Hedge"),
        episodes=make_history(pairs, days=20) if episodes is None else episodes,
        candles=candles,
        settings=load_settings(config),
        written_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def page_of(*args, **kwargs) -> Page:
    return Page(render(content_of(*args, **kwargs)))


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    html = render(content_of(tmp_path))
    page = Page(html)
    assert not [a for t, a in page.elements if t == "link" or a.get("src") or "http" in str(a.get("href"))]
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy
    for label in ("Agents (Hedge)", "Equal weights", "LightGBM alone", "Buy and hold"):
        assert label in page.text
    assert len(page.data("decision-data")["rows"]) == 80


def test_figures_hold_every_contender_and_every_agent(tmp_path):
    figures = page_of(tmp_path).data("figure-data")
    names = {trace["name"] for trace in figures["equity"]["data"]}
    assert figures["equity"]["layout"]["yaxis"]["tickformat"] == "~%", "of a quiet span no tick reads 0%"
    assert names == {"Agents (Hedge)", "Equal weights", "LightGBM alone", "Buy and hold"}
    for pair in ("BTC/USDT", "ETH/USDT"):
        stacked = [t["name"] for t in figures["pairs"][pair]["data"] if t.get("stackgroup")]
        assert tuple(stacked) == AGENTS
        rewards = {t["name"] for t in figures["rewards"][pair]["data"]}
        assert rewards == {*AGENTS, "fused (Hedge)", "equal weights", "always long"}


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_from_a_model_is_text_and_nothing_else(tmp_path, attack):
    episodes = (
        make_episode(belief=attack, cause=attack, regime=attack),
        make_episode(asof=START + timedelta(days=1), depths=(None,) * 5, cause=attack),
    )
    clean = page_of(tmp_path, episodes=(make_episode(),))
    page = page_of(tmp_path, episodes=episodes)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == [tag for tag, _ in clean.elements].count("script") == 4
    assert not {"img", "svg"} & set(tags)
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert attack in page.data("decision-data")["texts"]
    assert re.sub(r"\s+", " ", attack) in page.text  # as a cause of abstaining


def test_a_hostile_pair_or_agent_name_is_text_too(tmp_path):
    pair = "<b>X</b>/USDT"
    agents = ("<script>", *AGENTS[1:])
    page = page_of(tmp_path, pairs=(pair,), episodes=(make_episode(pair=pair, agents=agents),))
    assert "b" not in {tag for tag, _ in page.elements}
    assert any(t["name"] == "&lt;script&gt;" for t in page.data("figure-data")["pairs"][pair]["data"])


def test_json_cannot_leave_its_script_element():
    packed = json_for_html({"a": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(packed)
    assert json.loads(packed) == {"a": "</script><!--\u2028&"}
    with pytest.raises(ValueError):
        json_for_html(float("nan"))


def test_rules_and_a_synthetic_market_are_said_loudly(tmp_path):
    sandbox = {"exchange": {"ccxt_config": {"urls": {"api": {"public": "http://127.0.0.1:1/api/v3"}}}}}
    text = page_of(tmp_path, config=sandbox).text
    assert "No language model took part" in text
    assert "the sandbox" in text
    real = {"agent_market": {"llm": {"model": "qwen3:8b"}}, "exchange": {"name": "binance"}}
    quiet = page_of(tmp_path, config=real)
    assert not [a for _, a in quiet.elements if a.get("class") == "warning"]


def test_no_trades_still_makes_a_page(tmp_path):
    page = page_of(tmp_path, strategies={name: [] for name in OURS})
    assert "The agents made no trade." in page.text


def test_one_pair_a_missing_baseline_and_missing_candles_still_make_a_page(tmp_path):
    page = page_of(tmp_path, strategies={OURS[0]: []}, pairs=("BTC/USDT",), candles={})
    assert "Equal weights were not run" in page.text
    assert "The model alone was not run" in page.text
    assert "candles are missing" in page.text


def test_no_episodes_are_stated_not_hidden(tmp_path):
    page = page_of(tmp_path, episodes=())
    assert "No decisions of this run are in the store" in page.text
    assert page.data("decision-data")["rows"] == []


def test_abstentions_everywhere_are_stated_with_their_cause(tmp_path):
    episodes = tuple(
        make_episode(asof=START + timedelta(hours=12 * n), depths=(None,) * 5, cause="the model is down")
        for n in range(1, 6)
    )
    page = page_of(tmp_path, episodes=episodes)
    assert "Every agent abstained from every decision" in page.text
    assert "the model is down" in page.text


def test_one_mute_agent_is_named(tmp_path):
    content = content_of(tmp_path, episodes=(make_episode(),))
    assert silence(content, scorecards(content.episodes, content.settings.decision)) == (
        "Abstained from every decision: memory."
    )


def test_only_as_many_decisions_as_a_page_can_carry_and_the_rest_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("agent_market.reports.decisions.MOST", 10)
    data = page_of(tmp_path).data("decision-data")
    assert len(data["rows"]) == 10
    assert data["left_out"] == 70
    assert data["rows"][0]["t"] == max(row["t"] for row in data["rows"])


def test_decisions_that_were_traded_on_are_marked(tmp_path):
    episodes = (make_episode(asof=START + timedelta(hours=12)), make_episode(asof=START + timedelta(days=1)))
    trade = make_trade() | {"enter_tag": f"agents +3.0 {episodes[0].id}"}
    rows = page_of(tmp_path, strategies={OURS[0]: [trade]}, episodes=episodes).data("decision-data")["rows"]
    assert [row["traded"] for row in rows] == [False, True]


def test_the_facts_name_model_span_and_costs(tmp_path):
    values = dict(facts(content_of(tmp_path)))
    assert values["Language model"] == "heuristic (record)"
    assert values["Fee"] == "0.100% a side, as backtested"
    assert values["Span"].startswith("2024-01-01 00:00 to 2024-02-10")


def test_the_file_is_replaced_in_one_step(tmp_path):
    target = tmp_path / "reports" / "report.html"
    content = content_of(tmp_path)
    assert write_report(content, target) == target
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"cannot be written to .*: Is a directory; name another file"):
        write_report(content_of(tmp_path), tmp_path)


def test_credit_and_weights_stand_in_the_page_as_they_were_worked_out(tmp_path):
    day = timedelta(days=1)
    episodes = tuple(
        make_episode(
            asof=START + 7 * week * day + n * day,
            depths=(10.0, 0.0),
            weights=(0.3 + 0.15 * week, 0.7 - 0.15 * week),
            market_return=0.02,
            regime="chop-calm",
            agents=("conservative", "quant"),
        )
        for week in range(2)
        for n in range(3)
    )
    page = page_of(tmp_path, episodes=episodes, config={"agent_market": {"costs": {"fee": 0, "slippage": 0}}})
    # Alone the conservative agent is wholly long, six times 2%: 12%. Together: 3 times 0.6% and 3 times 0.9%.
    # Shapley: (12% - 0 + 4.5% - 0) / 2 = 8.25% for it, the rest of 4.5% for the other.
    assert "conservative +8.25%" in page.text
    assert f"quant {MINUS}3.75%" in page.text
    assert "together +4.50%" in page.text
    assert "In chop-calm the conservative agent rose from 30% to 45%" in page.text


def test_without_known_outcomes_credit_says_so(tmp_path):
    page = page_of(tmp_path, episodes=(make_episode(market_return=None),))
    assert "No decision has a known outcome yet." in page.text


def test_a_decision_says_what_the_depth_would_be_without_each_voice(tmp_path):
    episode = make_episode(depths=(8.0, -4.0), weights=(0.75, 0.25), agents=("a", "b"))
    (row,) = page_of(tmp_path, episodes=(episode,)).data("decision-data")["rows"]
    assert [view[9] for view in row["views"]] == [-4.0, 8.0]
    assert (row["shift"], row["nets"]) == (0.0, [])
