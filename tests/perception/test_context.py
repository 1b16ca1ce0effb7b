"""Dated context: what is known when, and files that are late, out of order, doubled, broken or absent."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import ContextSeries
from agent_market.errors import ConfigError, DataError
from agent_market.perception.context import ContextBook


def series(name: str = "mood", path: str | Path = "mood.csv", **changes: str) -> ContextSeries:
    given = {"value_column": "value", "time_column": "date", **changes}
    return ContextSeries(name=name, path=Path(path), **given)


def book(folder: Path, text: str, **changes: str) -> ContextBook:
    (folder / "mood.csv").write_text(text, encoding="utf-8")
    return ContextBook.load([series(**changes)], folder)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DAYS = "date,value\n2024-01-01,10\n2024-01-02,20\n2024-01-03,30\n"


def test_a_daily_value_is_known_at_the_end_of_its_day_and_not_a_microsecond_earlier(tmp_path):
    mood = book(tmp_path, DAYS)
    assert mood.at(at("2024-01-01T23:59:59.999999")) == {}
    assert mood.at(at("2024-01-02T00:00")) == {"mood": 10.0}
    assert mood.at(at("2024-01-02T23:59:59.999999")) == {"mood": 10.0}
    assert mood.at(at("2024-01-03T00:00")) == {"mood": 20.0}


def test_a_value_known_at_its_own_time_is_used_at_that_time(tmp_path):
    mood = book(tmp_path, "date,value\n2024-01-01 08:00:00,1\n2024-01-01 16:00:00,2\n", known_after="0s")
    assert mood.at(at("2024-01-01T07:59")) == {}
    assert mood.at(at("2024-01-01T08:00")) == {"mood": 1.0}
    assert mood.at(at("2024-01-01T16:00")) == {"mood": 2.0}


def test_a_stale_value_is_absent_not_carried_on(tmp_path):
    mood = book(tmp_path, DAYS, max_age="2d")
    assert mood.at(at("2024-01-06T00:00")) == {"mood": 30.0}
    assert mood.at(at("2024-01-06T00:00:01")) == {}


def test_rows_out_of_order_and_rows_given_twice_change_nothing(tmp_path):
    mood = book(tmp_path, "date,value\n2024-01-03,30\n2024-01-01,10\n2024-01-02,20\n2024-01-01,10\n")
    hours = pd.date_range("2024-01-01", "2024-01-12", freq="h", tz="UTC")
    pd.testing.assert_frame_equal(mood.columns(hours), book(tmp_path, DAYS).columns(hours))


def test_two_values_for_one_time_are_refused_for_the_later_one_may_be_a_leak(tmp_path):
    with pytest.raises(DataError, match=r"both 10\.0 and 11\.0 for 2024-01-01T00:00:00\+00:00"):
        book(tmp_path, "date,value\n2024-01-01,10\n2024-01-02,20\n2024-01-01,11\n")


def test_a_row_without_a_value_is_skipped_and_the_one_before_it_holds(tmp_path):
    mood = book(tmp_path, "date,value\n2024-01-01,10\n2024-01-02,\n2024-01-03,30\n")
    assert mood.at(at("2024-01-03T12:00")) == {"mood": 10.0}


def test_a_zero_is_a_value(tmp_path):
    assert book(tmp_path, "date,value\n2024-01-01,0\n").at(at("2024-01-02T00:00")) == {"mood": 0.0}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_candle_times_of_any_unit_and_timezone_see_the_same(tmp_path, unit):
    mood = book(tmp_path, DAYS)
    hours = pd.date_range("2024-01-01", "2024-01-05", freq="h", tz="UTC")
    expected = mood.columns(hours)["mood"].to_numpy()
    for other in (hours.as_unit(unit), hours.tz_convert("Asia/Tokyo").as_unit(unit)):
        got = mood.columns(other)
        assert got.index.equals(other)
        np.testing.assert_array_equal(got["mood"], expected)
    tokyo = datetime(2024, 1, 2, 9, tzinfo=timezone(timedelta(hours=9)))
    assert mood.at(tokyo) == {"mood": 10.0}


def test_times_of_a_file_may_carry_their_own_timezone(tmp_path):
    mood = book(tmp_path, "date,value\n2024-01-01T09:00:00+09:00,10\n", known_after="0s")
    assert mood.at(at("2023-12-31T23:59")) == {}
    assert mood.at(at("2024-01-01T00:00")) == {"mood": 10.0}


def test_times_in_any_order_are_answered_each_by_itself(tmp_path):
    mood = book(tmp_path, DAYS)
    asofs = pd.DatetimeIndex(["2024-01-04", "2024-01-02", "2024-01-04", "2023-01-01"], tz="UTC")
    np.testing.assert_array_equal(mood.columns(asofs)["mood"], [30.0, 10.0, 30.0, np.nan])
    unknown = pd.DatetimeIndex([pd.NaT]).tz_localize("UTC")
    assert mood.columns(unknown)["mood"].isna().all()


def test_times_without_a_timezone_are_refused(tmp_path):
    mood = book(tmp_path, DAYS)
    with pytest.raises(DataError, match="without a timezone"):
        mood.columns(pd.date_range("2024-01-01", periods=3))
    with pytest.raises(DataError, match="without a timezone"):
        mood.at(datetime(2024, 1, 2))


def test_a_feather_file_reads_as_the_csv_does(tmp_path):
    mood = book(tmp_path, DAYS)
    table = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=3, tz="UTC"), "value": [10, 20, 30]})
    table.to_feather(tmp_path / "mood.feather")
    feather = ContextBook.load([series(path="mood.feather")], tmp_path)
    hours = pd.date_range("2024-01-01", "2024-01-12", freq="h", tz="UTC")
    pd.testing.assert_frame_equal(feather.columns(hours), mood.columns(hours))


def test_no_series_is_an_empty_book():
    empty = ContextBook.load([], Path())
    hours = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    assert empty.at(at("2024-01-01T00:00")) == {}
    assert empty.columns(hours).shape == (3, 0)


def test_a_missing_file_is_an_error_with_its_path(tmp_path):
    with pytest.raises(DataError, match=r"`mood`: cannot read .*nowhere.csv .*put the file there"):
        ContextBook.load([series(path="nowhere.csv")], tmp_path)


def test_a_missing_column_is_an_error_with_those_that_exist(tmp_path):
    with pytest.raises(DataError, match=r"mood.csv has no column `close`; it has date, value"):
        book(tmp_path, DAYS, value_column="close")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a table"),
        ("date,value\n", "has no rows"),
        (
            "date,value\n2024-01-01,10\n2024-01-02,n.v.\n",
            r"row 2, column `value`: 'n.v.' is no finite number",
        ),
        ("date,value\n2024-01-01,inf\n", r"row 1, column `value`: inf is no finite number"),
        ("date,value\n2024-01-01,10\nyesterday,20\n", r"row 2, column `date`: 'yesterday' is no ISO 8601"),
        ("date,value\n2024-01-01,10\n,20\n", r"row 2, column `date`: nan is no ISO 8601"),
        ("date,value\n1704067200000,10\n", r"holds numbers \(1704067200000\), of which the unit is unknown"),
    ],
)
def test_a_malformed_file_is_an_error_that_says_where(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        book(tmp_path, text)


def test_a_file_that_is_no_table_is_an_error(tmp_path):
    (tmp_path / "mood.feather").write_bytes(b"\x00\x01 no feather")
    with pytest.raises(DataError, match="cannot be read as a table"):
        ContextBook.load([series(path="mood.feather")], tmp_path)


@pytest.mark.parametrize("key", ["known_after", "max_age"])
@pytest.mark.parametrize("text", ["-1h", "soon", ""])
def test_a_duration_that_is_none_or_negative_is_refused(tmp_path, key, text):
    with pytest.raises(ConfigError, match=f"`{key}` = '{text}'"):
        book(tmp_path, DAYS, **{key: text})


def test_a_name_given_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="named twice: mood"):
        ContextBook.load([series(), series()], tmp_path)


def test_a_running_bot_sees_values_that_arrive_in_the_file(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    file = folder / "mood.csv"
    file.write_text(DAYS, encoding="utf-8")
    before = ContextBook.load([series(path="context/mood.csv")], tmp_path)
    assert before.refreshed() is before

    file.write_text(DAYS + "2024-01-04,40\n", encoding="utf-8")
    os.utime(file, (1, 1))
    after = before.refreshed()
    assert after.at(at("2024-01-05T00:00")) == {"mood": 40.0}
    assert before.at(at("2024-01-05T00:00")) == {"mood": 30.0}
    assert after.refreshed() is after


@given(
    days=st.lists(st.integers(0, 60), min_size=1, max_size=30, unique=True),
    asof_hours=st.lists(st.integers(-24, 80 * 24), min_size=1, max_size=20),
    cut_hour=st.integers(0, 62 * 24),
)
def test_what_becomes_known_later_changes_nothing_before(tmp_path_factory, days, asof_hours, cut_hour):
    folder = tmp_path_factory.mktemp("context")
    epoch = pd.Timestamp("2024-01-01", tz="UTC")
    rows = pd.DataFrame({"date": epoch + pd.to_timedelta(days, unit="D"), "value": [7.0 * d for d in days]})
    cut = epoch + pd.Timedelta(hours=cut_hour)
    known = rows[rows["date"] + pd.Timedelta("1d") <= cut]
    asofs = pd.DatetimeIndex([min(epoch + pd.Timedelta(hours=h), cut) for h in asof_hours])

    whole = _book_of(rows, folder).columns(asofs)
    if len(known):
        pd.testing.assert_frame_equal(_book_of(known, folder).columns(asofs), whole)
    else:
        assert whole["mood"].isna().all()


def _book_of(rows: pd.DataFrame, folder: Path) -> ContextBook:
    rows.to_csv(folder / "mood.csv", index=False)
    return ContextBook.load([series()], folder)


REAL = {
    "fear_greed": series("fear_greed", "fear_greed_daily.csv"),
    "vix": series("vix", "vix_daily.csv", value_column="close"),
    "dxy": series("dxy", "dxy_daily.csv", value_column="dxy"),
    "funding": series(
        "funding",
        "funding_BTCUSDT_binance_8h.csv",
        value_column="funding_rate",
        known_after="0s",
        max_age="16h",
    ),
}


@pytest.mark.parametrize("name", list(REAL))
def test_a_real_series_never_shows_a_value_before_its_time(name, test_data):
    spec = REAL[name]
    folder = test_data / "context"
    rows = pd.read_csv(folder / spec.path)
    known_at = pd.DatetimeIndex(pd.to_datetime(rows["date"], utc=True)) + pd.Timedelta(spec.known_after)
    real = ContextBook.load([spec], folder)

    exactly = real.columns(known_at)[name].to_numpy()
    np.testing.assert_array_equal(exactly, rows[spec.value_column])
    just_before = real.columns(known_at - pd.Timedelta("1us"))[name].to_numpy()
    np.testing.assert_array_equal(
        just_before[1:][~np.isnan(just_before[1:])],
        rows[spec.value_column].to_numpy()[:-1][~np.isnan(just_before[1:])],
    )
    assert np.isnan(just_before[0])


@pytest.mark.parametrize("name", list(REAL))
def test_a_real_series_cut_off_anywhere_shows_the_same_until_then(name, test_data, tmp_path):
    spec = REAL[name]
    rows = pd.read_csv(test_data / "context" / spec.path)
    whole = ContextBook.load([spec], test_data / "context")
    for cut in (1, len(rows) // 3, len(rows) - 1):
        rows.iloc[:cut].to_csv(tmp_path / spec.path, index=False)
        hidden = pd.Timestamp(rows["date"].iloc[cut], tz="UTC") + pd.Timedelta(spec.known_after)
        asofs = pd.date_range(end=hidden - pd.Timedelta("1us"), periods=500, freq="h")
        pd.testing.assert_frame_equal(ContextBook.load([spec], tmp_path).columns(asofs), whole.columns(asofs))


def test_a_weekend_shows_fridays_vix_and_the_end_of_funding_is_absent(test_data):
    real = ContextBook.load(list(REAL.values()), test_data / "context")
    sunday = real.at(at("2023-05-07T12:00"))
    assert sunday["vix"] == real.at(at("2023-05-06T00:00"))["vix"]
    assert set(sunday) == set(REAL)
    assert set(real.at(at("2024-05-07T12:00"))) == {"fear_greed", "vix", "dxy"}


def test_a_fallback_stands_in_for_a_file_that_is_cut_off_until_it_is_back(tmp_path, caplog):
    (tmp_path / "second.csv").write_text("date,value\n2024-01-01,11\n")
    spec = series().model_copy(update={"fallbacks": (Path("missing.csv"), Path("second.csv"))})
    first = tmp_path / "mood.csv"
    first.write_text("date,value\n2024-01-01,10\n")
    mood = ContextBook.load([spec], tmp_path)
    moment = at("2024-01-02T00:00")
    assert mood.at(moment) == {"mood": 10.0}
    assert mood.refreshed() is mood
    first.unlink()
    stands_in = mood.refreshed()
    assert stands_in.at(moment) == {"mood": 11.0}
    assert "stands in" in caplog.text
    caplog.clear()
    assert stands_in.refreshed() is stands_in
    assert not caplog.text, "said once"
    first.write_text("not a table")
    assert stands_in.refreshed().at(moment) == {"mood": 11.0}, "damaged is as good as cut off"
    first.write_text("date,value\n2024-01-01,12\n")
    assert stands_in.refreshed().at(moment) == {"mood": 12.0}


def test_without_any_file_that_can_be_read_the_first_problem_is_told(tmp_path):
    spec = series().model_copy(update={"fallbacks": (Path("second.csv"),)})
    with pytest.raises(DataError, match=r"mood\.csv"):
        ContextBook.load([spec], tmp_path)
