"""Caps hold exactly, also under parallel calls, and what is spent is written down."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import BudgetSettings, Caps, ModelPrice
from agent_market.errors import BudgetExhausted, ConfigError, StoreError
from agent_market.llm.decision_context import DecisionContext
from agent_market.llm.usage.amounts import SpendAmount
from agent_market.llm.usage.budget import DAY_S, Budget, nano_of
from agent_market.llm.usage.pricing import NANO, Price, PriceTable
from agent_market.llm.usage.spend_writer import SpendWriter
from agent_market.store.database import Database
from agent_market.store.spend import SpendRow, spent, write_spend

ROOMY = Caps(calls=10**6, tokens=10**9, cost=10**6)


def caps(**changes: Caps) -> BudgetSettings:
    return BudgetSettings(**{"decision": ROOMY, "day": ROOMY, "run": ROOMY, **changes})


@settings(max_examples=40, deadline=None)
@given(
    calls=st.lists(
        st.tuples(
            st.integers(1, 50),
            st.integers(0, 50),
            st.sampled_from(["settle", "release", "forfeit"]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=60,
    ),
    cap=st.integers(0, 400),
    span=st.sampled_from(["decision", "day", "run"]),
)
def test_no_cap_is_ever_passed_under_parallel_calls(
    calls: list[tuple[int, int, str, int]], cap: int, span: str
) -> None:
    budget = Budget(caps(**{span: Caps(calls=cap, tokens=cap * 3, cost=cap * 2e-9)}))
    cases = [DecisionContext() for _ in range(4)]
    barrier = threading.Barrier(4)
    worst: list[SpendAmount] = []

    def work(mine: list[tuple[int, int, str, int]]) -> SpendAmount:
        barrier.wait()
        used = SpendAmount()
        for bound, counted, end, which in mine:
            case = cases[which] if span == "decision" else DecisionContext()
            try:
                held = budget.reserve(case, SpendAmount(1, bound, bound))
            except BudgetExhausted:
                continue
            worst.append(case.tally.committed if span == "decision" else budget.run.committed)
            taken = SpendAmount(1, min(bound, counted), min(bound, counted))
            if end == "settle":
                held.settle(taken)
                used += taken
            elif end == "forfeit":
                held.forfeit()
                used += held.amount
            else:
                held.release()
        return used

    with ThreadPoolExecutor(4) as pool:
        used = sum(pool.map(work, [calls[i::4] for i in range(4)]), SpendAmount())
    assert budget.run.spent == used
    assert budget.run.reserved == SpendAmount()
    for most in worst:
        assert most.calls <= cap
        assert most.tokens <= cap * 3
        assert most.nano <= cap * 2
    if span == "decision":
        assert sum((case.tally.spent for case in cases), SpendAmount()) == used


def test_a_cap_can_be_used_to_the_last_token_and_the_refusal_names_its_setting() -> None:
    budget = Budget(caps(run=Caps(calls=9, tokens=100, cost=1.0)))
    budget.reserve(DecisionContext(), SpendAmount(1, 60, 0)).settle(SpendAmount(1, 40, 0))
    held = budget.reserve(DecisionContext(), SpendAmount(1, 60, 0))
    with pytest.raises(BudgetExhausted, match=r"the run's cap.*100 of 100 tokens.*budget\.run\.tokens"):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 0))
    held.release()
    budget.reserve(DecisionContext(), SpendAmount(1, 60, 0)).settle(SpendAmount(1, 60, 0))
    assert budget.run.spent == SpendAmount(2, 100, 0)


def test_a_cap_of_nothing_asks_nothing() -> None:
    budget = Budget(caps(day=Caps(calls=0, tokens=0, cost=0.0)))
    with pytest.raises(BudgetExhausted, match="the day's cap"):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 0))


def test_a_decisions_cap_is_its_own() -> None:
    budget = Budget(caps(decision=Caps(calls=1, tokens=100, cost=1.0)))
    one, other = DecisionContext("one"), DecisionContext("other")
    budget.reserve(one, SpendAmount(1, 5, 5)).settle(SpendAmount(1, 5, 5))
    with pytest.raises(BudgetExhausted, match="the decision's cap"):
        budget.reserve(one, SpendAmount(1, 5, 5))
    budget.reserve(other, SpendAmount(1, 5, 5)).release()


def test_a_new_day_of_the_wall_clock_begins_with_what_other_runs_spent_on_it() -> None:
    now = [20_000.0 * DAY_S + 100]
    others = {20_000: SpendAmount(8, 80, 8), 20_001: SpendAmount()}
    budget = Budget(caps(day=Caps(calls=10, tokens=1000, cost=1.0)), lambda: now[0], lambda day: others[day])
    late = [budget.reserve(DecisionContext(), SpendAmount(1, 1, 1)) for _ in range(2)]
    with pytest.raises(BudgetExhausted, match="10 of 10 calls"):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 1))
    now[0] += DAY_S
    for reservation in late:
        reservation.settle(SpendAmount(1, 1, 1))
    for _ in range(10):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 1)).settle(SpendAmount(1, 1, 1))
    with pytest.raises(BudgetExhausted):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 1))


def test_a_run_beside_this_one_is_noticed_within_a_minute() -> None:
    now = [20_000.0 * DAY_S]
    others = [SpendAmount()]
    budget = Budget(caps(day=Caps(calls=5, tokens=1000, cost=1.0)), lambda: now[0], lambda _: others[0])
    budget.reserve(DecisionContext(), SpendAmount(1, 1, 1)).settle(SpendAmount(1, 1, 1))
    others[0] = SpendAmount(4, 4, 4)
    now[0] += 61
    with pytest.raises(BudgetExhausted, match="5 of 5 calls"):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 1))


def test_a_store_that_cannot_say_what_was_spent_lets_nothing_be_spent() -> None:
    def broken(_: int) -> SpendAmount:
        raise StoreError("no store")

    with pytest.raises(StoreError):
        Budget(caps(), others_on=broken).reserve(DecisionContext(), SpendAmount(1, 1, 1))


def test_an_endpoint_that_counts_more_than_the_bound_is_named_and_pays_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    budget = Budget(caps(run=Caps(calls=9, tokens=100, cost=1.0)))
    budget.reserve(DecisionContext(), SpendAmount(1, 50, 0)).settle(SpendAmount(1, 120, 0))
    assert "counted 120 tokens for a call that could take 50" in caplog.text
    with pytest.raises(BudgetExhausted):
        budget.reserve(DecisionContext(), SpendAmount(1, 1, 0))


def test_a_reservation_is_ended_once() -> None:
    held = Budget(caps()).reserve(DecisionContext(), SpendAmount(1, 1, 1))
    held.release()
    with pytest.raises(ValueError, match="once"):
        held.forfeit()


def test_debates_are_compact_when_little_is_left() -> None:
    budget = Budget(caps(run=Caps(calls=10, tokens=1000, cost=1.0)))
    assert not budget.is_tight
    budget.reserve(DecisionContext(), SpendAmount(7, 1, 0)).settle(SpendAmount(7, 1, 0))
    assert not budget.is_tight
    budget.reserve(DecisionContext(), SpendAmount(2, 1, 0)).settle(SpendAmount(2, 1, 0))
    assert budget.is_tight


def test_prices_are_exact_in_billionths_and_rounded_up() -> None:
    price = Price.of(ModelPrice(model="m", input_per_million=0.15, output_per_million=0.6))
    assert price.nano(1_000_000, 0) == 150_000_000
    assert price.nano(1, 0) == 150
    assert price.nano(0, 7) == 4_200
    odd = Price.of(ModelPrice(model="m", input_per_million=0.01875, output_per_million=0.0))
    assert odd.nano(1, 0) == 19  # 18.75
    assert sum(odd.nano(4, 0) for _ in range(10**4)) == odd.nano(4 * 10**4, 0)
    assert nano_of(0.1) == NANO // 10
    assert nano_of(1.1) == 1_100_000_000


def test_a_price_beyond_what_a_store_can_count_is_refused() -> None:
    with pytest.raises(ValueError, match="input_per_million"):
        ModelPrice(model="m", input_per_million=1e300, output_per_million=0)


def test_a_model_elsewhere_without_a_price_is_an_error_that_says_what_to_add() -> None:
    table = PriceTable(
        BudgetSettings(prices=(ModelPrice(model="a", input_per_million=1, output_per_million=2),))
    )
    assert table.of("a", "https://api.example.com/v1").nano(1, 1) == 3_000
    assert table.of("b", "http://localhost:11434/v1").nano(1, 1) == 0
    with pytest.raises(ConfigError, match=r'"b".*budget\.prices'):
        table.of("b", "https://key:secret@api.example.com/v1")


def row(at: int, run: str = "one", basis: str = "usage", nano: int | None = 5) -> SpendRow:
    return SpendRow(
        at, run, "BTC/USDT@x", "judge", "m", "http://127.0.0.1:1/v1", "k" * 64, 10, 2, nano, basis
    )


def test_sums_of_the_table_by_day_run_and_basis(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/s.sqlite")
    write_spend(
        database, [row(DAY_S), row(2 * DAY_S - 1, "two"), row(2 * DAY_S, nano=None), row(0, basis="bound")]
    )
    assert spent(database).calls == 4
    assert spent(database).cost_nano == 15
    assert spent(database, DAY_S, 2 * DAY_S).calls == 2
    assert spent(database, run="two").prompt_tokens == 10
    assert spent(database, not_run="two").calls == 3
    assert spent(database, basis="bound").calls == 1
    assert SpendWriter(database, "one").others_on(1) == SpendAmount(1, 12, 5)
    assert SpendWriter(database, "new").others_on(1) == SpendAmount(2, 24, 10)
    database.close()


def test_what_was_spent_while_the_disk_was_full_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("agent_market.llm.usage.spend_writer.RETRY_AFTER_S", 0.0)
    database = Database(f"sqlite:///{tmp_path}/s.sqlite")
    ledger = SpendWriter(database, "one")
    with database.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    for n in range(200):
        ledger.note(row(n))
    ledger.flush()
    assert "counted but not stored" in caplog.text
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    ledger.flush()
    assert spent(database).calls == 200
    ledger.close()
    ledger.note(row(7))
    assert spent(database).calls == 201
    database.close()
