"""Runs that find nothing new, and lists in which the replication key has never been seen."""

from __future__ import annotations

import pytest

OLD = "2020-01-01T00:00:00.000Z"
ROWS = 30


def tasks(planhat, *, is_archived, dated=True):
    for number in range(ROWS):
        place = number + ROWS * is_archived
        # Further apart than `lookback_minutes`.
        at = 1000 + 20 * place if dated else None
        planhat.add("tasks", place, at=at, isArchived=is_archived)


def no_archived_tasks(planhat):
    tasks(planhat, is_archived=False)


def undated_tasks(planhat):
    tasks(planhat, is_archived=False, dated=False)
    tasks(planhat, is_archived=True, dated=False)


def undated_answers(planhat):
    for number in range(ROWS):
        planhat.answered(number, days_ago=9)["npsDate"] = None


def nothing(_):
    pass


QUIET = {
    "no archived tasks": (no_archived_tasks, "tasks", 3, 1),
    "no tasks": (nothing, "tasks", 2, 0),
    "tasks without dates": (undated_tasks, "tasks", 4, 0),
    "no campaigns": (nothing, "campaigns", 1, 0),
    "no conversations": (nothing, "conversations", 1, 0),
    "no answers": (nothing, "nps", 1, 0),
    # The list is read: which of them are new is seen in it.
    "answers without dates": (undated_answers, "nps", 4, 0),
}
"""What is there, the stream, the calls of a second run, and the records that come again."""


@pytest.fixture
def kept(tmp_path):
    """Settings of a run with an inventory."""
    return {"inventory_path": str(tmp_path), "page_size": 20}


def aged(output):
    """Return STATE as when a rescan is due."""
    for mark in output.state["bookmarks"].values():
        mark |= {"full_read_at": OLD, "undated": True}
    return output.state


@pytest.mark.parametrize("case", QUIET)
def test_a_run_without_news_is_short_whether_or_not_the_key_was_ever_seen(planhat, run, kept, case):
    fill, stream, calls, again = QUIET[case]
    fill(planhat)
    first = run(stream, **kept)
    before = first.bookmark(stream)
    for _ in range(2):
        planhat.asked.clear()
        second = run(stream, first.state, **kept)
        assert len(second.records()) == again
        assert len(planhat.asked) <= calls
        mark = second.bookmark(stream)
        assert mark["full_read_at"] == before["full_read_at"]
        assert mark["inventory"]["base"] == before["inventory"]["base"]
        first = second
    # What is known stays what the first run has read.
    assert run(stream, aged(second), **kept).records() == []


@pytest.mark.parametrize("stream", ["campaigns", "conversations", "nps", "tasks"])
def test_the_first_rows_of_a_list_come_with_the_run_after_they_are_there(planhat, run, stream):
    first = run(stream)
    second = run(stream, first.state)
    for number in range(ROWS):
        if stream == "nps":
            planhat.answered(number, days_ago=3)
        else:
            planhat.add(stream, number, at=number, isArchived=number % 3 == 0)
    third = run(stream, second.state, page_size=20)
    assert set(third.ids()) == set(planhat.expected_ids(stream))
    assert third.bookmark(stream)["full_read_at"] == first.bookmark(stream)["full_read_at"]


@pytest.mark.parametrize("is_archived", [False, True])
def test_of_tasks_without_a_date_those_come_that_are_new_or_get_one(planhat, run, is_archived):
    undated_tasks(planhat)
    first = run("tasks", page_size=20)
    edited = planhat.rows["tasks"][5 + ROWS * is_archived]
    edited["updatedAt"] = "2026-02-01T00:00:00.000Z"
    new = [planhat.add("tasks", 90 + at, at=at, isArchived=is_archived) for at in (1, 2)]
    undated = planhat.add("tasks", 95, isArchived=is_archived)
    second = run("tasks", first.state, page_size=20)
    assert set(second.ids()) == {row["_id"] for row in (edited, *new, undated)}
    third = run("tasks", second.state, page_size=20)
    assert set(third.ids()) <= {edited["_id"]}


def test_a_list_of_which_nothing_is_known_is_read_with_all_others(planhat, run, kept):
    tasks(planhat, is_archived=False)
    tasks(planhat, is_archived=True)
    first = run("tasks", **kept)
    first.state["bookmarks"]["tasks"]["partitions"].pop()
    second = run("tasks", first.state, **kept)
    assert (
        second.bookmark("tasks")["inventory"]["base"]
        != first.bookmark("tasks")["inventory"]["base"]
    )
    assert run("tasks", aged(second), **kept).records() == []
