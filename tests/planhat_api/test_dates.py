"""Dates of records and of HTTP headers, whatever spelling they come in."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from planhat_api import dates
from planhat_api.dates import ServerClock, http_moment, instant, to_moment, to_text

UTC = timezone.utc
NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
moments = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)


@pytest.mark.parametrize(
    ("given_value", "expected"),
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
        ("2024-01-31 01:02:03.5 UTC", "2024-01-31T01:02:03.500Z"),
        ("2024-01-31T01:02:03GMT", "2024-01-31T01:02:03.000Z"),
        (date(2024, 1, 31), "2024-01-31T00:00:00.000Z"),
        (datetime(2024, 1, 31, 1, 2, 3, 4999), "2024-01-31T01:02:03.004Z"),  # noqa: DTZ001
        (datetime(2024, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))), "2024-01-30T23:00:00.000Z"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"),
        ("0987-06-05T04:03:02Z", "0987-06-05T04:03:02.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_date_is_brought_to_milliseconds_in_utc(given_value, expected):
    assert instant(given_value) == expected


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
        "2024-01-31-05:00",
        "2024-01-31T01:02:03 CET",
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        timedelta(1),
        None,
        0,
        1700000000000,
        True,
        ["2024-01-01"],
        {"$date": "2024-01-01"},
    ],
)
def test_what_is_not_a_date_of_the_calendar_is_blank(value):
    assert instant(value) == ""


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fullmatch=True))
def test_any_text_is_a_moment_or_blank(text):
    found = instant(text)
    assert found == "" or to_text(to_moment(found)) == found


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
    text = to_text(moment)
    assert instant(text) == text


@pytest.mark.parametrize("header", ["Sun, 17 May 2026 12:00:00 GMT", "17 May 2026 14:00 +0200"])
def test_the_date_of_a_header_is_a_moment(header):
    assert http_moment(header) == NOW


@pytest.mark.parametrize("header", [None, "", "today", "Fri, 99 May 2026 12:00:00 GMT", "2" * 5000])
def test_a_header_without_a_date_is_no_moment(header):
    assert http_moment(header) is None


def test_the_servers_clock_goes_on_from_the_last_answer_that_told_the_time(clock, monkeypatch):
    monkeypatch.setattr(dates, "time", clock)
    server = ServerClock()
    assert abs(server.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert not server.heard
    server.learn(format_datetime(NOW, usegmt=True))
    server.learn(None)
    server.learn("soon")
    clock.sleep(90)
    assert server.heard
    assert server.now() == NOW + timedelta(seconds=90)
    server.learn(format_datetime(NOW, usegmt=True))
    assert server.now() == NOW
