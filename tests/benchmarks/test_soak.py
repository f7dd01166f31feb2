from __future__ import annotations

import re

import pytest

from benchmarks.copies import compare
from benchmarks.measure import FailedError
from benchmarks.soak import growth
from planhat_api.resources import CONVERSATIONS, TASKS


def task(number, key="sourceId", **more):
    """A task of the first tenant, which has another `_id` in the second."""
    keyed = {"sourceId": f"task-{number}"} if key else {}
    return {"_id": f"{number:024x}", **keyed, "action": f"Call {number}", **more}


def copied(row, **more):
    return {"sourceId": f"tasks:{row['_id']}", **row, "_id": "f" * 24, **more}


def check(old, new, resource=TASKS, before=()):
    return compare(old, new, resource, set(before))


def test_copies_that_are_alike_are_counted():
    old = [task(1), task(2, key=None)]
    assert check(old, [copied(row) for row in old]).alike == 2


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        ([], "task-1 is lost"),
        ([copied(task(1)), copied(task(1))], "1 records are there twice"),
        ([copied(task(1), action="Mail 1")], "task-1: action is Mail 1, not Call 1"),
        ([copied(task(1), custom={"Touched": 6})], "custom is {'Touched': 6}, not {'Touched': 7}"),
        ([copied(task(1)), copied(task(2))], "nobody had task-2"),
    ],
)
def test_a_copy_that_is_not_right_is_found(new, complaint):
    old = [task(1, custom={"Touched": 7})]
    kept = [{"custom": {"Touched": 7}, **row} for row in new]
    with pytest.raises(FailedError, match=re.escape(complaint)):
        check(old, kept)


def test_what_was_deleted_after_it_was_copied_may_be_left_over():
    left = [copied(task(1)), copied(task(2, key=None))]
    assert check([], left, before=["task-1"]).gone == 2


def test_an_edit_that_no_incremental_run_sees_is_not_looked_for():
    old = {"_id": "1" * 24, "externalId": "1", "subject": "Hello", "custom": {"Touched": 7}}
    assert check([old], [{**old, "custom": None}], CONVERSATIONS).alike == 1


def test_a_custom_field_without_a_value_is_not_expected():
    assert check([task(1, custom={"Region": None})], [copied(task(1))]).alike == 1


def test_memory_that_grows_is_told_from_memory_that_is_taken_at_first():
    assert growth([10, 90, 120, 100, 100, 100, 100, 100]) == 0
    assert growth([10, 90, 100, 110, 120, 130, 140, 150]) == 10
    with pytest.raises(FailedError, match="too short"):
        growth([10, 20, 30])


def test_a_tenant_is_copied_under_fire_with_nothing_lost_and_nothing_twice(quick):
    said = quick("benchmarks.soak")
    assert "## Soak: 3,100 rows from one tenant into another" in said
    for name in ("tap-planhat", "target-planhat"):
        faults = re.search(rf"{name} made .* calls; .*?(\d+) times 429, .*?(\d+) broken", said)
        assert faults, said
        assert min(map(int, faults.groups())) > 0
