from dataclasses import replace

import pytest

from planhat_sandbox.calls import LONGEST_BODY, REMEMBERED, WITH_BODIES, CallLog, ServedCall

CALL = ServedCall("GET", "tasks", None, {}, 200, 0, target="/tasks")


@pytest.fixture
def log():
    return CallLog()


def test_calls_and_rows_are_counted(log):
    log.begin()
    log.begin()
    log.end(replace(CALL, rows=5))
    log.end(replace(CALL, rows=2))
    assert log.stats() == {"calls": {"GET tasks": 2}, "total": 2, "rows": 7, "max_concurrent": 2}
    assert [one.rows for one in log.calls] == [5, 2]


def test_only_the_latest_calls_are_kept_in_detail_and_fewer_with_bodies(log):
    for _ in range(REMEMBERED + 5):
        log.end(CALL)
    assert len(log.calls) == REMEMBERED
    assert log.stats()["total"] == REMEMBERED + 5
    numbers = [one["number"] for one in log.latest()]
    assert numbers == list(range(REMEMBERED + 5, REMEMBERED + 5 - WITH_BODIES, -1))
    with pytest.raises(LookupError, match="call 1 is not"):
        log.with_bodies(1)


def test_a_long_body_is_cut_and_its_length_kept(log):
    log.end(CALL, b"a" * (LONGEST_BODY + 1), "ö".encode() * LONGEST_BODY)
    found = log.with_bodies(1)
    assert found["sent"] == "a" * LONGEST_BODY
    assert (found["sent_bytes"], found["answered_bytes"]) == (LONGEST_BODY + 1, 2 * LONGEST_BODY)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (replace(CALL, rows=3, ms=12.4), "GET /tasks 200, 3 rows, 12 ms"),
        (replace(CALL, status=403), "GET /tasks 403, 0 ms"),
        (replace(CALL, status=0), "GET /tasks broken, 0 ms"),
        (replace(CALL, key="a", target="/tasks/a"), "GET /tasks/a 200, 0 ms"),
        (
            replace(CALL, method="PUT", status=206, note="1 created, 2 failed", ms=0.6),
            "PUT /tasks 206, 1 created, 2 failed, 1 ms",
        ),
        (replace(CALL, target="/tasks?\x1b[31m\n"), "GET /tasks??[31m? 200, 0 rows, 0 ms"),
    ],
)
def test_a_call_is_logged_in_one_line(call, line):
    assert call.line() == line
