from __future__ import annotations

import logging
import random
import threading
import time

import pytest

from planhat_api import errors
from planhat_api.calls import retries
from planhat_api.calls.budget import CallBudget
from planhat_api.calls.retries import LONGEST_WAIT, Outage, RetryLimits, retry

FAULT = errors.ServerFaultError


class Attempts:
    """Fails as told, then succeeds; each try takes `seconds`."""

    def __init__(self, clock, failures, seconds=0.0):
        self._clock, self._failures, self._seconds = clock, iter(failures), seconds
        self.made = []

    def __call__(self):
        self.made.append(self._clock.now)
        self._clock.now += self._seconds
        failure = next(self._failures, None)
        if failure is not None:
            raise failure
        return "done"


def again(kind, times=10**9, retry_after=None):
    for _ in range(times):
        error = kind("GET /tasks", "503 Service Unavailable")
        if retry_after is not None:
            error.retry_after = retry_after
        yield error


@pytest.fixture
def run(clock):
    """Retry attempts that fail as given; tell what came of it."""

    def run(failures, *, seconds=0.0, **how):
        run.paused.clear()
        run.attempts = Attempts(clock, failures, seconds)
        limit = how.get("limit", 300)
        limits = RetryLimits(
            limit, how.get("too_much_limit", 300), how.get("unreachable_limit", limit)
        )
        return retry(
            run.attempts,
            limits=limits,
            repeatable=how.get("repeatable", True),
            budget=run.budget,
            outage=run.outage,
        )

    run.outage = Outage()
    run.paused = []
    run.budget = CallBudget(100_000, clock=clock.monotonic, sleep=clock.sleep)
    pause = run.budget.pause
    run.budget.pause = lambda seconds: (run.paused.append(seconds), pause(seconds))
    return run


@pytest.fixture
def longest(monkeypatch):
    """Let chance always choose the longest wait."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)


def test_what_succeeds_is_done_once(run, clock):
    assert run([]) == "done"
    assert len(run.attempts.made) == 1
    assert clock.waits == []


@pytest.mark.parametrize(
    "kind",
    [
        FAULT,
        errors.RateLimitedError,
        errors.TimedOutError,
        errors.UnreachableError,
        errors.ConnectionLostError,
        errors.NotJsonError,
    ],
)
def test_what_may_pass_is_tried_again(run, kind):
    assert run(again(kind, 3)) == "done"
    assert len(run.attempts.made) == 4


@pytest.mark.parametrize(
    "error",
    [
        errors.AuthenticationError("GET /tasks"),
        errors.PermissionDeniedError("GET /tasks"),
        errors.PayloadError("GET /tasks"),
        errors.TooLargeError("GET /tasks"),
        errors.UntrustedError("GET /tasks"),
        errors.SettingsError("no"),
        KeyboardInterrupt(),
        SystemExit(),
        ValueError("a fault of ours"),
    ],
)
def test_what_would_be_the_same_next_time_is_raised_at_once(run, error):
    with pytest.raises(type(error)) as caught:
        run([error])
    assert caught.value is error
    assert len(run.attempts.made) == 1


def test_a_response_that_is_too_large_is_not_asked_for_again(run, clock):
    with pytest.raises(errors.ResponseTooLargeError):
        run(again(errors.ResponseTooLargeError))
    assert len(run.attempts.made) == 1
    assert clock.waits == []


def test_the_waits_double_up_to_a_minute(run, clock, longest):  # noqa: ARG001
    run(again(FAULT, 9), limit=1000)
    assert clock.waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]


def test_the_waits_have_full_jitter(run, clock, monkeypatch):
    asked = []

    def uniform(low, high):
        asked.append((low, high))
        return high / 4

    monkeypatch.setattr(random, "uniform", uniform)
    run(again(FAULT, 3))
    assert asked == [(0, 1), (0, 2), (0, 4)]
    assert clock.waits == [0.25, 0.5, 1]


def test_a_retry_after_is_never_undercut(run, clock):
    run(again(FAULT, 3, retry_after=40))
    assert all(wait >= 40 for wait in clock.waits)


def test_a_retry_after_of_nothing_does_not_make_a_hot_loop(run, clock, longest):  # noqa: ARG001
    run(again(FAULT, 3, retry_after=0.0))
    assert clock.waits == [1, 2, 4]


def test_giving_up_names_the_cause_how_often_and_how_long_it_was_tried(run, longest):  # noqa: ARG001
    with pytest.raises(FAULT) as caught:
        run(again(FAULT), limit=30, seconds=1)
    assert str(caught.value) == (
        f"GET /tasks: 503 Service Unavailable (gave up after 6 tries in 31 s). {FAULT.hint}"
    )


def test_the_last_try_comes_when_the_time_is_over_and_not_later(run, clock):
    start = clock.now
    with pytest.raises(FAULT):
        run(again(FAULT), limit=30)
    assert run.attempts.made[-1] == pytest.approx(start + 30)


def test_with_no_time_for_retries_there_is_one_try(run):
    with pytest.raises(FAULT) as caught:
        run(again(FAULT), limit=0, too_much_limit=0)
    assert len(run.attempts.made) == 1
    assert "gave up" not in str(caught.value)


def test_a_wait_longer_than_the_time_left_is_not_begun(run, clock):
    with pytest.raises(errors.RateLimitedError) as caught:
        run(again(errors.RateLimitedError, retry_after=301))
    assert clock.waits == []
    assert "(asked to wait 301 s, longer than retry_timeout allows)" in str(caught.value)


@pytest.mark.parametrize("kind", [FAULT, errors.TimedOutError, errors.ConnectionLostError])
def test_what_a_smaller_request_may_get_through_fails_earlier_when_asked_to(
    run,
    kind,
    clock,
    longest,  # noqa: ARG001
):
    with pytest.raises(kind):
        run(again(kind), too_much_limit=10)
    assert clock.waits == [1, 2, 4, 8]


@pytest.mark.parametrize("kind", [errors.RateLimitedError, errors.UnreachableError])
def test_what_has_nothing_to_do_with_size_has_all_the_time(run, kind, clock):
    start = clock.now
    with pytest.raises(kind):
        run(again(kind), too_much_limit=10)
    assert clock.now - start == pytest.approx(300)


@pytest.mark.parametrize(
    "kind", [FAULT, errors.TimedOutError, errors.ConnectionLostError, errors.NotJsonError]
)
def test_what_must_not_happen_twice_is_not_repeated_after_an_unknown_outcome(run, kind):
    with pytest.raises(kind, match="not sent again: it may have been carried out"):
        run(again(kind), repeatable=False)
    assert len(run.attempts.made) == 1


@pytest.mark.parametrize("kind", [errors.RateLimitedError, errors.UnreachableError])
def test_what_must_not_happen_twice_is_repeated_when_it_did_not_happen(run, kind):
    assert run(again(kind, 2), repeatable=False) == "done"


def test_other_calls_wait_too_when_there_were_too_many_or_the_server_asks_for_it(run, clock):
    run(again(errors.RateLimitedError, 2))
    assert run.paused == pytest.approx(clock.waits)
    run(again(FAULT, 1, retry_after=9))
    assert run.paused == [9]


def test_other_calls_do_not_wait_for_a_fault_of_one(run):
    run(again(FAULT, 3))
    assert run.paused == []


def test_the_first_of_several_failures_is_logged_with_its_reason_and_wait_and_their_end(
    run,
    caplog,
    longest,  # noqa: ARG001
):
    with caplog.at_level(logging.INFO):
        run(again(FAULT, 3))
        run([])
        run(again(FAULT, 1))
    assert caplog.messages == [
        "GET /tasks: 503 Service Unavailable; trying again in 1.0 s",
        "Planhat answers again, after 7 s",
        "GET /tasks: 503 Service Unavailable; trying again in 1.0 s",
    ]
    assert {record.name for record in caplog.records} == {retries.__name__}


def test_that_there_are_too_many_calls_is_told_though_there_were_other_failures(run, caplog):
    with caplog.at_level(logging.WARNING):
        run([*again(FAULT, 2), *again(errors.RateLimitedError, 2)])
    assert len(caplog.messages) == 2


def test_what_was_begun_before_an_outage_or_in_it_tells_nothing(clock, caplog):
    fault = next(again(FAULT))
    outage = Outage()
    with caplog.at_level(logging.INFO):
        clock.now += 10
        outage.failed(fault, clock.now - 1, 1.0)
        outage.failed(fault, clock.now - 2, 1.0)
        # Its answer was on the way when the server went down.
        outage.passed(clock.now - 1)
        assert len(caplog.messages) == 1
        clock.now += 5
        outage.passed(clock.now - 1)
        assert len(caplog.messages) == 2
        # This one was waiting all the time.
        outage.failed(fault, clock.now - 4, 1.0)
        outage.passed(clock.now)
    assert caplog.messages == [
        "GET /tasks: 503 Service Unavailable; trying again in 1.0 s",
        "Planhat answers again, after 5 s",
    ]


def test_where_no_connection_can_be_made_a_limit_of_its_own_holds(run, clock, longest):  # noqa: ARG001
    with pytest.raises(errors.UnreachableError, match="gave up after 4 tries in 7 s"):
        run(again(errors.UnreachableError), unreachable_limit=4)
    assert clock.waits == [1, 2, 4]
    assert run(again(FAULT, 9), unreachable_limit=4) == "done"


def test_what_the_log_says_it_waits_is_what_it_waits(run, clock, caplog):
    run.budget.pause(50)
    with caplog.at_level(logging.WARNING):
        run(again(FAULT, 1))
    assert caplog.messages == ["GET /tasks: 503 Service Unavailable; trying again in 50.0 s"]
    assert clock.waits == [50]


def test_nothing_is_tried_again_once_the_run_is_to_end(run):
    def stop_and_fail():
        run.budget.stop()
        raise FAULT("GET /tasks", "503")

    with pytest.raises(FAULT, match="not sent again, as the run is to end"):
        retry(
            stop_and_fail,
            limits=RetryLimits(300, 300, 300),
            repeatable=True,
            budget=run.budget,
            outage=Outage(),
        )


def test_a_wait_ends_when_the_run_is_to_end(longest):  # noqa: ARG001
    budget = CallBudget(100)
    stopper = threading.Timer(0.05, budget.stop)

    def attempt():
        stopper.start()
        raise errors.RateLimitedError("GET /tasks", "429")

    began = time.monotonic()
    with pytest.raises(errors.StoppedError, match="the run is to end"):
        retry(
            attempt,
            limits=RetryLimits(300, 300, 300),
            repeatable=True,
            budget=budget,
            outage=Outage(),
        )
    assert time.monotonic() - began < 0.9
