import pytest

from planhat_sandbox.tenant.changes import Changes


def fill(bench, name, count, **more):
    for _ in range(count):
        bench.ok("POST", f"/{name}", bench.payload(name, **more))


def test_rows_are_inserted_updated_and_deleted(bench, name):
    fill(bench, name, 10)
    before = {row["_id"]: row for row in bench.rows(name)}
    bench.clock.tick()
    Changes(name, insert=3, update=2, delete=4).apply(bench.tenant)
    after = {row["_id"]: row for row in bench.rows(name)}
    assert len(set(before) - set(after)) == 4
    assert len(set(after) - set(before)) == 3
    stayed = set(after) & set(before)
    changed = {key for key in stayed if after[key] != before[key]}
    assert len(changed) <= 2
    assert changed or any(after[key].get("custom") for key in set(after) - set(before))
    if name == "tasks":
        assert all(after[key]["updatedAt"] > before[key]["updatedAt"] for key in changed)


def test_tasks_are_archived_and_reopened(bench):
    fill(bench, "tasks", 10)
    Changes("tasks", archive=4).apply(bench.tenant)
    assert sum(row["isArchived"] for row in bench.rows("tasks")) == 4
    Changes("tasks", reopen=3).apply(bench.tenant)
    assert sum(row["isArchived"] for row in bench.rows("tasks")) == 1


def test_changes_come_after_every_so_many_list_calls_of_their_resource_and_end(bench):
    changes = Changes("tasks", every=2, count=2, insert=1)
    rows = []
    for _ in range(8):
        changes.after_list(bench.tenant, "nps")
        changes.after_list(bench.tenant, "tasks")
        rows.append(len(bench.rows("tasks")))
    assert rows == [0, 1, 1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("wrong", [{"resource": "x"}, {"resource": "nps", "archive": 1}])
def test_changes_that_would_do_nothing_are_rejected(wrong):
    with pytest.raises(ValueError, match=r"no such resource|never archived"):
        Changes(**wrong)


def test_nothing_is_inserted_into_a_tenant_without_companies(bench, name):
    bench.tenant.clear()
    Changes(name, insert=2).apply(bench.tenant)
    assert len(bench.rows(name)) == (2 if name == "nps" else 0)
