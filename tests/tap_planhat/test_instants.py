"""Dates and ids, brought to a width at which text compares like time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planhat_api.dates import to_text as text_of
from tap_planhat.instants import EARLIEST, at_most, earlier, first_id, id_moment

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


def test_earlier_goes_back_from_an_instant_and_from_an_id():
    assert earlier("2024-03-01T00:00:00.000Z", timedelta(days=1)) == "2024-02-29T00:00:00.000Z"
    assert earlier("65e0c5a0" + "f" * 16, timedelta(seconds=16)) == "65e0c590" + "0" * 16


def test_earlier_does_not_go_back_before_1970():
    assert earlier("1970-01-01T00:05:00.000Z", timedelta(minutes=10)) == text_of(EARLIEST)
    assert earlier("1950-01-01T00:00:00.000Z", timedelta(1)) == "1950-01-01T00:00:00.000Z"
    assert earlier("00000010" + "a" * 16, timedelta(days=1)) == "0" * 24


@pytest.mark.untraced
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
