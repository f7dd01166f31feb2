"""What the log says of a long sync."""

from __future__ import annotations

import io
import logging

import pytest

from planhat_api.dates import to_moment
from tap_planhat.instants import first_id
from tap_planhat.progress import CLEAR, INTERVAL, Progress


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


def test_a_short_sync_says_nothing(clock, said):
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
        "tasks: 3,000 records, 100 a second",
        "tasks: 6,000 records, 100 a second",
        "tasks: 9,000 records, 100 a second",
    ]


@pytest.mark.parametrize(
    "reached",
    ["2024-05-17T10:30:00.000Z", first_id(to_moment("2024-05-17T10:30:00.000Z"))],
)
def test_it_says_how_far_the_list_is_read_by_the_cursors_own_date(clock, said, reached):
    progress = Progress("tasks", clock=clock)
    clock.now += INTERVAL
    progress.add(600, reached)
    assert said() == ["tasks: 600 records, 20 a second; this list is read up to 2024-05-17"]


@pytest.mark.parametrize("reached", ["", "t0123", "2024", "65f"])
def test_a_cursor_without_a_date_is_left_out(clock, said, reached):
    progress = Progress("tasks", clock=clock)
    clock.now += INTERVAL
    progress.add(600, reached)
    assert said() == ["tasks: 600 records, 20 a second"]


def test_of_a_list_that_was_read_before_it_says_how_much_is_left(clock, said):
    progress = Progress("tasks", clock=clock)
    progress.begin_list(10_000)
    for offset in (99, 1099, 5099, 9999, 12_000):
        clock.now += INTERVAL
        progress.add(0, offset=offset)
    progress.begin_list()
    for offset in (99, 1099):
        clock.now += INTERVAL
        progress.add(0, offset=offset)
    told = "tasks: 0 records, 0 a second"
    # Nothing of the first page, whose time is not known, nor of rows that have come since.
    assert said() == [
        told,
        f"{told}; 11% of the 10,000 rows of last time, 4 min left",
        f"{told}; 51% of the 10,000 rows of last time, 59 s left",
        *[told] * 4,
    ]


def test_at_its_end_a_sync_says_what_it_did(clock, said):
    progress = Progress("tasks", clock=clock)
    clock.now += 4
    progress.add(1200)
    progress.end("full sync", 17, "2024-05-17T10:30:00.000Z")
    progress.end("full table", 17, "")
    counted = "done in 4.0 s: 1,200 records, 300 a second, 17 calls"
    assert said() == [
        f"tasks: full sync {counted}, bookmark 2024-05-17T10:30:00.000Z",
        f"tasks: full table {counted}, no bookmark",
    ]


def test_on_a_terminal_one_line_is_renewed(clock, said, monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", screen)
    progress = Progress("tasks", clock=clock)
    for _ in range(4):
        clock.now += 1
        progress.add(100, "2024-05-17T10:30:00.000Z")
    line = "tasks: 400 records, 100 a second; this list is read up to 2024-05-17"
    assert screen.getvalue().endswith(f"{CLEAR}{line}\r")
    assert screen.getvalue().count(CLEAR) == 4
    assert "\n" not in screen.getvalue()
    assert said() == []
    progress.end("full sync", 4, "")
    assert screen.getvalue().endswith(CLEAR)
    assert len(said()) == 1
