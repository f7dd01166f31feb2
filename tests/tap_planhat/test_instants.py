"""Dates and ids, brought to a width at which text compares like time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_planhat.instants import EARLIEST, at_most, earlier, first_id, id_moment, instant, to_moment
from tap_planhat.instants import to_text as text_of

UTC = timezone.utc
NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
moments = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)
object_ids = st.text("0123456789abcdef", min_size=24, max_size=24)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("2024-02-29T01:02:03.004Z", "2024-02-29T01:02:03.004Z"),
        ("2024-01-31T01:02:03Z", "2024-01-31T01:02:03.000Z"),
        ("2024-01-31T01:02:03.4Z", "2024-01-31T01:02:03.400Z"),
        ("2024-01-31T01:02:03,45Z", "2024-01-31T01:02:03.450Z"),
        ("2024-01-31T01:02:03.9999999Z", "2024-01-31T01:02:03.999Z"),
        ("2024-01-31T01:02:03.004", "2024-01-31T01:02:03.004Z"),
        ("2024-01-31T01:02", "2024-01-31T01:02:00.000Z"),
        ("2024-01-31 01:02:03", "2024-01-31T01:02:03.000Z"),
        ("2024-01-31t01:02:03z", "2024-01-31T01:02:03.000Z"),
        (" 2024-01-31 ", "2024-01-31T00:00:00.000Z"),
        ("2024-01-31T01:02:03.004+05:30", "2024-01-30T19:32:03.004Z"),
        ("2024-01-31T01:02:03 +0530", "2024-01-30T19:32:03.000Z"),
        ("2024-01-31T23:02:03-02", "2024-02-01T01:02:03.000Z"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"),
        ("0987-06-05T04:03:02Z", "0987-06-05T04:03:02.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_date_is_brought_to_milliseconds_in_utc(given_text, expected):
    assert instant(given_text) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "undefined",
        "0000-01-01T00:00:00.000Z",
        "2024-13-01T00:00:00.000Z",
        "2024-02-30T00:00:00.000Z",
        "2023-02-29T00:00:00.000Z",
        "2024-01-01T24:00:00.000Z",
        "2024-01-01T10:60:00.000Z",
        "2016-12-31T23:59:60.000Z",
        "2024-01-01T00:00:00+99:00",
        "2024-01-01T00:00:00+0\u0665:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "+010000-01-01T00:00:00.000Z",
        "\u0662\u0660\u0662\u0664-01-01T00:00:00.000Z",
        "2024-01-01T00:00:00.\u0660\u0660\u0660Z",
        "2024-1-1",
        None,
        0,
        1700000000000,
        True,
        ["2024-01-01"],
        {"$date": "2024-01-01"},
    ],
)
def test_what_is_no_date_of_the_calendar_is_blank(value):
    assert instant(value) == ""


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fullmatch=True))
def test_any_text_is_a_moment_or_blank(text):
    found = instant(text)
    assert found == "" or text_of(to_moment(found)) == found


@given(moments, moments, st.sampled_from(["auto", "milliseconds", "microseconds"]))
@example(NOW, NOW + timedelta(milliseconds=1), "auto")
def test_dates_compare_as_text_like_in_time(one, other, precision):
    first, second = (instant(each.isoformat(timespec=precision)) for each in (one, other))
    assert first
    assert second
    if abs(one - other) >= timedelta(milliseconds=1):
        assert (first < second) == (one < other)


@given(moments)
def test_a_date_already_brought_to_that_width_stays(moment):
    text = text_of(moment)
    assert instant(text) == text


def test_earlier_goes_back_from_an_instant_and_from_an_id():
    assert earlier("2024-03-01T00:00:00.000Z", timedelta(days=1)) == "2024-02-29T00:00:00.000Z"
    assert earlier("65e0c5a0" + "f" * 16, timedelta(seconds=16)) == "65e0c590" + "0" * 16


def test_earlier_does_not_go_back_before_1970():
    assert earlier("1970-01-01T00:05:00.000Z", timedelta(minutes=10)) == text_of(EARLIEST)
    assert earlier("1950-01-01T00:00:00.000Z", timedelta(1)) == "1950-01-01T00:00:00.000Z"
    assert earlier("00000010" + "a" * 16, timedelta(days=1)) == "0" * 24


@given(object_ids | moments.map(text_of) | st.text(), st.timedeltas(min_value=timedelta()))
def test_earlier_and_at_most_take_any_text_and_never_go_forward(value, by):
    assert earlier(value, by) <= value
    assert at_most(value, NOW) <= value


@pytest.mark.parametrize("value", ["", "t1", "task-0001", "2024-02-31T00:00:00.000Z", "zz" * 12])
def test_an_id_without_a_time_stays_as_it_is(value):
    assert earlier(value, timedelta(minutes=10)) == value
    assert at_most(value, NOW) == value


def test_at_most_cuts_off_the_future():
    assert at_most("2099-01-01T00:00:00.000Z", NOW) == "2026-05-17T12:00:00.000Z"
    assert at_most("2026-05-17T11:59:59.999Z", NOW) == "2026-05-17T11:59:59.999Z"
    assert at_most("ffffffff" + "0" * 16, NOW) == first_id(NOW)
    assert at_most("00000001" + "0" * 16, NOW) == "00000001" + "0" * 16


@given(object_ids, st.datetimes(datetime(1970, 1, 1), datetime(2106, 2, 7)))  # noqa: DTZ001
def test_the_first_id_of_a_moment_is_the_least_made_then_or_later(object_id, moment):
    moment = moment.replace(tzinfo=UTC)
    made_before = id_moment(object_id) < moment.replace(microsecond=0)
    assert (object_id < first_id(moment)) == made_before


def test_the_first_id_of_a_moment_that_ids_cannot_tell_is_the_nearest():
    assert first_id(datetime(1950, 1, 1, tzinfo=UTC)) == "0" * 24
    assert first_id(datetime(2200, 1, 1, tzinfo=UTC)) == "ffffffff" + "0" * 16
