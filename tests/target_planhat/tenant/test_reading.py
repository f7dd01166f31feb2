"""All records of a resource, read while they change."""

from __future__ import annotations

import pytest

from planhat_api.resources import CONVERSATIONS, NPS, RESOURCES, TASKS
from planhat_sandbox.options import TaskDates
from planhat_sandbox.tenant.changes import Changes
from target_planhat.tenant.reading import IncompleteError, TenantReader


def read(planhat, resource=TASKS, properties=("sourceId",)):
    """Return `_id` -> row, as the lists are read."""
    rows = {}
    reader = TenantReader(planhat.client, resource, properties)
    for batch in reader.batches(rows.__contains__):
        rows.update((row["_id"], row) for row in batch)
    return rows


def test_archived_tasks_are_read_as_well(planhat):
    ids = planhat.tasks(30) + planhat.tasks(20, isArchived=True)
    assert read(planhat).keys() == set(ids)


def test_answers_of_any_age_are_read_under_the_names_of_the_table(planhat):
    own = {"cId": planhat.company, "email": "a@acme.com", "euId": planhat.tenant.new_id()}
    rows = [
        own | {"score": at, "dateAnswered": f"20{at:02}-01-01T00:00:00.000Z"} for at in range(9)
    ]
    planhat.load("nps", rows)
    found = read(planhat, NPS, ["score", "dateAnswered", "euId"])
    assert sorted(row["score"] for row in found.values()) == list(range(9))
    assert {row["euId"] for row in found.values()} == {own["euId"]}


def test_what_lists_leave_out_unless_asked_is_asked_for(planhat):
    planhat.load("conversations", [{"companyId": planhat.company, "description": "long"}])
    [row] = read(planhat, CONVERSATIONS, ["description"]).values()
    assert row["description"] == "long"


def test_only_what_is_wanted_is_asked_for(planhat):
    planhat.tasks(3, description="x" * 1000)
    assert all("description" not in row for row in read(planhat).values())


def test_a_list_that_cannot_be_asked_for_by_name_is_read_as_it_comes(planhat):
    ids = planhat.tasks(3)
    planhat.control.faults.add({"resource": "tasks", "status": 400, "body": {"error": "select"}})
    assert read(planhat).keys() == set(ids)


@pytest.mark.parametrize("resource", list(RESOURCES.values()), ids=list(RESOURCES))
def test_an_empty_tenant_is_read_in_a_few_calls(planhat, resource):
    assert read(planhat, resource) == {}
    assert len(planhat.lists(resource.name)) <= 12


def test_twenty_thousand_tasks_take_few_calls(make_planhat):
    planhat = make_planhat(steady=True)
    ids = planhat.tasks(20_000, updatedAt=planhat.tenant.now())
    assert read(planhat).keys() == set(ids)
    assert len(planhat.lists("tasks")) <= 11, [
        str((c.params, c.rows)) for c in planhat.lists("tasks")
    ]


@pytest.mark.untraced
@pytest.mark.parametrize("dates", [TaskDates.SOME, TaskDates.ALL, TaskDates.NONE])
@pytest.mark.parametrize("seed", [1, 2])
def test_tasks_that_move_between_the_lists_meanwhile_are_read(make_planhat, seed, dates):
    planhat = make_planhat(seed=seed, task_dates=dates)
    # Where changes leave no date, no row has one.
    stamp = {} if dates is TaskDates.NONE else {"updatedAt": "2026-01-01T00:00:00.000Z"}
    ids = planhat.tasks(6000, **stamp) + planhat.tasks(6000, isArchived=True, **stamp)
    planhat.control.changes.append(Changes("tasks", every=1, count=8, archive=400, reopen=400))
    assert set(ids) <= read(planhat).keys()


@pytest.mark.untraced
def test_lists_that_change_are_read_without_a_gap(planhat):
    ids = planhat.tasks(9000)
    planhat.control.changes.append(Changes("tasks", every=1, insert=20, delete=20, update=50))
    found = read(planhat).keys()
    assert {one for one in ids if planhat.tenant.tables["tasks"].get(one)} <= found


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "text": "<html>", "count": 2},
        {"drop": "within", "count": 2},
        {"short": 3, "count": 4},
        {"cap": 100, "count": None},
    ],
)
def test_cut_answers_and_errors_leave_nothing_out(planhat, fault):
    ids = planhat.tasks(3000) + planhat.tasks(50, isArchived=True)
    planhat.control.faults.add({"resource": "tasks", "skip": 1, **fault})
    assert read(planhat).keys() == set(ids)


def test_a_list_in_no_order_is_not_taken_for_complete(planhat):
    planhat.tasks(3000)
    planhat.control.faults.add({"resource": "tasks", "ignore_sort": True, "count": None})
    with pytest.raises(IncompleteError, match="GET /tasks"):
        read(planhat)


def test_an_answer_that_comes_out_empty_is_no_proof_that_nothing_has_changed(planhat):
    planhat.tasks(50, updatedAt="2026-01-01T00:00:00.000Z")
    reader = TenantReader(planhat.client, TASKS, [])
    before = list(reader.batches(lambda _: True))
    calls = len(planhat.lists("tasks"))
    planhat.control.faults.add({"resource": "tasks", "skip": calls - 2, "short": 200})
    after = list(TenantReader(planhat.client, TASKS, []).batches(lambda _: True))
    assert sum(map(len, after)) >= sum(map(len, before))
