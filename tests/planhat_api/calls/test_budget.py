from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from planhat_api.calls.budget import MOST_A_SECOND, WINDOW, CallBudget
from planhat_api.errors import StoppedError


def budget(clock, calls):
    return CallBudget(calls, clock=clock.monotonic, sleep=clock.sleep)


def begin(spender, clock, count):
    begun = []
    for _ in range(count):
        spender.spend()
        begun.append(clock.now)
    return begun


def most_within(moments, window):
    moments = sorted(moments)
    return max(sum(1 for other in moments if 0 <= other - one < window) for one in moments)


def test_calls_within_the_budget_do_not_wait(clock):
    begin(budget(clock, 50), clock, 50)
    assert clock.waits == []


def test_one_call_more_waits_until_the_first_is_a_minute_old(clock):
    start = clock.now
    assert begin(budget(clock, 50), clock, 51)[-1] == pytest.approx(start + WINDOW)


def test_no_more_than_a_hundred_calls_begin_in_one_second(clock):
    begun = begin(budget(clock, 1000), clock, 250)
    assert most_within(begun, 1.0) == MOST_A_SECOND
    assert begun[-1] - begun[0] == pytest.approx(2.0)


@settings(max_examples=60, deadline=None)
@given(
    calls=st.integers(1, 150),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("spend"), st.integers(1, 120)),
            st.tuples(st.just("pass"), st.floats(0, 90)),
            st.tuples(st.just("pause"), st.floats(0, 90)),
            st.tuples(st.just("Limit"), st.integers(0, 200)),
            st.tuples(st.just("Remaining"), st.integers(0, 2)),
        ),
        max_size=15,
    ),
)
def test_in_no_window_do_more_calls_begin_than_granted(new_clock, calls, steps):
    clock = new_clock()
    spender = budget(clock, calls)
    begun = []
    for step, value in steps:
        if step == "spend":
            begun += begin(spender, clock, value)
        elif step == "pass":
            clock.now += value
        elif step == "pause":
            spender.pause(value)
        else:
            spender.learn(says(**{step: str(value)}))
    if begun:
        # A hair less: the clock's own rounding.
        assert most_within(begun, WINDOW - 1e-6) <= calls
        assert most_within(begun, 1 - 1e-6) <= MOST_A_SECOND


def test_the_budget_holds_over_threads(clock):
    spender = budget(clock, 60)
    start = clock.now
    with ThreadPoolExecutor(8) as pool:
        for _ in range(301):
            pool.submit(spender.spend)
    assert clock.now - start == pytest.approx(WINDOW * 5)


def test_two_threads_never_get_the_same_last_call(clock):
    class Meeting(deque):
        """Lets a thread that is about to count its call wait for another one at that point."""

        together = threading.Barrier(2)

        def append(self, moment):
            # Where only one at a time gets here, it waits in vain.
            with contextlib.suppress(threading.BrokenBarrierError):
                self.together.wait(0.02)
            super().append(moment)

    spender = budget(clock, 1)
    spender._begun = Meeting()
    with ThreadPoolExecutor(2) as pool:
        waits = list(pool.map(lambda _: spender._reserve(), range(2)))
    assert sorted(waits) == [0, WINDOW]


def test_a_pause_holds_every_call_and_the_longest_counts(clock):
    spender, start = budget(clock, 10), clock.now
    spender.pause(30)
    spender.pause(5)
    assert begin(spender, clock, 2) == [start + 30, start + 30]


def says(spelling="X-Rate-Limit-", **values):
    """Return the headers of an answer, whose names are taken in any case."""
    return CaseInsensitiveDict({f"{spelling}{name}": value for name, value in values.items()})


SPELLINGS = ["X-Rate-Limit-", "X-RateLimit-", "x-ratelimit-"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_smaller_limit_of_the_server_replaces_ours_while_it_says_so(clock, spelling):
    spender = budget(clock, 200)
    begin(spender, clock, 11)
    spender.learn(says(spelling, Limit="12", Remaining="1"))
    begun = begin(spender, clock, 2)
    assert begun[1] - begun[0] == pytest.approx(WINDOW)
    clock.now += 3 * WINDOW
    begun = begin(spender, clock, 100)
    assert begun[-1] == begun[0]


@pytest.mark.parametrize("limit", ["0", "1", "9", "1000", "-5", "many", "", "1e3", "9" * 5000])
def test_a_greater_or_senseless_limit_of_the_server_changes_nothing(clock, limit):
    spender = budget(clock, 3)
    spender.learn(says(Limit=limit))
    begun = begin(spender, clock, 4)
    assert [later - earlier for earlier, later in pairwise(begun)] == [0, 0, pytest.approx(WINDOW)]


def test_a_senseless_header_is_named_once(clock, caplog):
    spender = budget(clock, 200)
    for _ in range(3):
        spender.learn(says(Limit="1", Remaining="-2"))
    assert caplog.messages == [
        "Planhat's rate-limit header X-Rate-Limit-Limit is ignored: it says '1'",
        "Planhat's rate-limit header X-Rate-Limit-Remaining is ignored: it says '-2'",
    ]


def test_with_no_calls_remaining_the_next_waits_for_our_oldest_to_leave_the_window(clock):
    spender, start = budget(clock, 200), clock.now
    spender.spend()
    clock.now += 20
    spender.spend()
    spender.learn(says(Limit="200", Remaining="0"))
    assert begin(spender, clock, 1) == [start + WINDOW]


DATE = "Sun, 17 May 2026 12:00:00 GMT"


@pytest.mark.parametrize("reset", ["30", "1779019230"])
def test_with_no_calls_remaining_the_next_waits_for_the_servers_window_to_end(clock, reset):
    spender, start = budget(clock, 200), clock.now
    spender.spend()
    spender.learn(CaseInsensitiveDict({**says(Remaining="0", Reset=reset), "Date": DATE}))
    assert begin(spender, clock, 1) == [start + 30]


@pytest.mark.parametrize("reset", ["3600", "1779026400", "1779019100"])
def test_a_window_that_never_ends_is_named_and_not_waited_for(clock, reset, caplog):
    spender, start = budget(clock, 200), clock.now
    spender.spend()
    spender.learn(CaseInsensitiveDict({**says(Remaining="0", Reset=reset), "Date": DATE}))
    assert begin(spender, clock, 1) == [start + WINDOW]
    assert "header X-Rate-Limit-Reset is ignored" in caplog.text


def test_a_server_that_always_says_that_no_calls_remain_holds_them_once(clock, caplog):
    spender, start = budget(clock, 200), clock.now
    for _ in range(50):
        spender.spend()
        spender.learn(says(Limit="200", Remaining="0"))
    assert clock.now == start + WINDOW
    assert "header X-Rate-Limit-Remaining is ignored: it says 0, after a wait" in caplog.text
    spender.learn(says(Remaining="5"))
    spender.learn(says(Remaining="0"))
    assert begin(spender, clock, 1)[0] > start + WINDOW


def test_no_calls_remaining_before_any_call_of_ours_holds_nothing(clock):
    spender, start = budget(clock, 200), clock.now
    spender.learn(says(Remaining="0"))
    assert begin(spender, clock, 1) == [start]


def test_a_long_wait_for_a_turn_is_told_once_and_as_long_as_it_is(clock, caplog):
    caplog.set_level(logging.INFO)
    spender = budget(clock, 10)
    begin(spender, clock, 11)
    assert caplog.messages == ["Waiting 60.0 s for the rate limit: other calls have used it up"]
    assert clock.waits == [60]


def test_once_stopped_no_call_begins(clock):
    spender = budget(clock, 10)
    spender.stop()
    with pytest.raises(StoppedError):
        spender.spend()


def test_stopping_ends_the_wait_for_a_turn():
    spender = CallBudget(1)
    spender.spend()
    threading.Timer(0.05, spender.stop).start()
    began = time.monotonic()
    with pytest.raises(StoppedError):
        spender.spend()
    assert time.monotonic() - began < 30
