"""What the log says of a long reading."""

from __future__ import annotations

import logging

import pytest

from planhat_api.errors import ServerFaultError
from planhat_api.scan import Page
from tap_planhat.progress import INTERVAL, PRECISION, Progress, count_rows


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="tap-planhat")
    return lambda: [entry.getMessage() for entry in caplog.records]


def test_a_short_reading_says_nothing(clock, said):
    progress = Progress("tasks", clock=clock)
    for _ in range(10):
        clock.now += (INTERVAL - 1) / 10
        progress.add(100)
    assert said() == []


def test_a_line_comes_once_an_interval_however_many_pages(clock, said):
    progress = Progress("tasks", clock=clock)
    for _ in range(95):
        clock.now += 1
        progress.add(100)
    assert said() == [
        "tasks: 3,000 rows, 100 a second",
        "tasks: 6,000 rows, 100 a second",
        "tasks: 9,000 rows, 100 a second",
    ]


def test_a_whole_reading_tells_the_share_done_and_the_time_left(clock, said):
    progress = Progress("tasks", clock=clock)
    asked = []

    def length():
        asked.append(1)
        return 400_000

    for page in range(1, 121):
        clock.now += 1
        progress.add(1000, offset=1000 * page - 1, length=length)
    # Rows read since the first page tell the rate in this list.
    assert said()[0] == (
        "tasks: 30,000 rows, 1,000 a second; 8% of about 400,000 in this list, 6 min left"
    )
    assert said()[-1].endswith("; 30% of about 400,000 in this list, 5 min left")
    assert len(asked) == 1


def test_a_resumed_reading_reckons_with_what_it_read_itself(clock, said):
    progress = Progress("tasks", clock=clock)
    progress.add(1000, offset=300_000, length=lambda: 400_000)
    clock.now += INTERVAL
    progress.add(1000, offset=303_000, length=lambda: 400_000)
    assert said()[0].endswith("; 76% of about 400,000 in this list, 16 min left")


def test_a_list_longer_than_it_was_found_to_be_is_done_to_the_full(clock, said):
    progress = Progress("tasks", clock=clock)
    clock.now += INTERVAL
    progress.add(10, offset=99, length=lambda: 50)
    assert said() == [
        "tasks: 10 rows, 0 a second; 100% of about 100 in this list, 0 min left",
    ]


def test_a_length_that_cannot_be_had_is_left_out_and_not_asked_for_again(clock, said):
    progress = Progress("tasks", clock=clock)
    asked = []
    for page in range(1, 4):
        clock.now += INTERVAL
        progress.add(300, offset=300 * page, length=lambda: asked.append(1))
    assert said()[-1] == "tasks: 900 rows, 10 a second"
    assert len(said()) == 3
    assert len(asked) == 1


def test_another_list_has_its_own_length(clock, said):
    progress = Progress("tasks", clock=clock)
    clock.now += INTERVAL
    progress.add(10, offset=9, length=lambda: 1000)
    progress.begin_list()
    clock.now += INTERVAL
    progress.add(10, offset=9, length=lambda: 20)
    assert "1% of about 1,000" in said()[0]
    assert "50% of about 20" in said()[1]


def test_a_long_time_left_is_told_in_hours(clock, said):
    progress = Progress("tasks", clock=clock)
    progress.add(0, offset=0, length=lambda: 1_000_000)
    clock.now += 37
    progress.add(10, offset=4999, length=lambda: 1_000_000)
    assert said()[0].endswith("2 h 3 min left")


@pytest.mark.parametrize("length", [1, 2, 3, 10, 99, 100, 12_345, 1_000_000])
@pytest.mark.parametrize("at_least", [0, 1])
def test_the_length_of_a_list_is_found_with_few_single_rows(length, at_least):
    asked = []

    def fetch(request):
        asked.append(request)
        assert (request.limit, request.probe, request.sort) == (1, True, "_id")
        assert request.optional
        return Page([{}] if request.offset < length else [], 1)

    found = count_rows(fetch, "_id", at_least)
    assert length * (1 - 1 / PRECISION) - 1 <= found <= length
    assert len(asked) <= 30


@pytest.mark.parametrize("offset", [0, 700, 1500])
def test_a_list_whose_rows_cannot_be_had_has_no_length(offset):
    def fetch(request):
        if request.offset >= offset:
            raise ServerFaultError("GET /tasks", "500")
        return Page([{}], 1)

    assert count_rows(fetch, "_id", 100) is None


def test_a_server_that_pays_no_heed_to_offsets_tells_no_length():
    asked = []

    def fetch(request):
        asked.append(request)
        assert len(asked) < 100
        return Page([{}], 1)

    assert count_rows(fetch, "_id", 100) is None
