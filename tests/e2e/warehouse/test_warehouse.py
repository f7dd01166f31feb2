"""The warehouse equals the tenant, row by row and value by value, whatever came between."""

from __future__ import annotations

import pytest

from planhat_api.resources import RESOURCES, Kind

DELETED = 15
OTHER_CHANGES = {"insert": 5, "update": 20}
CHANGES = [
    {"resource": "campaigns", "every": 0, **OTHER_CHANGES},
    {"resource": "conversations", "every": 0, "archive": 5, **OTHER_CHANGES},
    # Nothing tells when an answer was edited.
    {"resource": "nps", "every": 0, "insert": 5},
    {"resource": "tasks", "every": 0, "archive": 10, "reopen": 10, **OTHER_CHANGES},
]
"""What an incremental run sees: everything but deletions."""
DELETIONS = [{"resource": name, "every": 0, "delete": DELETED} for name in RESOURCES]


def instant(value):
    """Return a time as PostgreSQL or Planhat writes it in a form to compare."""
    whole, _, part = value.removesuffix("Z").partition(".")
    return f"{whole}.{part.ljust(6, '0')}"


def as_columns(row, resource):
    """Return a record as the warehouse should have it."""
    columns = {}
    for name, item in resource.properties.items():
        value = row.get(name)
        if item.kind is Kind.DATE and value is not None:
            value = instant(value)
        columns[name] = value
    return columns


def warehouse(extraction, name):
    """Return the rows of a table by `_id`, without those marked as deleted and the metadata."""
    found = [row for row in extraction.table(name) if row["_sdc_deleted_at"] is None]
    resource = RESOURCES[name]
    by_id = {row["_id"]: as_columns(row, resource) for row in found}
    assert len(by_id) == len(found)
    return by_id


def assert_equal(extraction):
    """Compare the warehouse with the tenant, row by row and value by value."""
    for name, resource in RESOURCES.items():
        expected = {row["_id"]: as_columns(row, resource) for row in extraction.planhat.rows(name)}
        if name == "nps":
            # Planhat's list never shows it.
            for row in expected.values():
                row["__v"] = None
        held = warehouse(extraction, name)
        assert held.keys() == expected.keys()
        for key, row in expected.items():
            assert held[key] == row


def reads(run):
    """Return how many records the tap wrote."""
    return sum(
        int(line.rsplit('"value":', 1)[1].split(",")[0])
        for line in run.tap_log.splitlines()
        if '"record_count"' in line
    )


def after(method):
    """Begin the test behind the first run by this method."""
    return pytest.mark.parametrize("begun", [method], indirect=True)


@after("INCREMENTAL")
def test_the_warehouse_equals_the_tenant_after_the_first_and_each_incremental_run(
    extraction, planhat
):
    assert_equal(extraction)
    for _ in range(2):
        planhat.ask("changes", CHANGES)
        run = extraction()
        assert_equal(extraction)
        assert reads(run) < extraction.rows


def test_a_first_run_that_fails_goes_on_where_the_warehouse_left_off(extraction, planhat):
    extraction.fails("tasks", 9)
    assert len(warehouse(extraction, "campaigns")) == extraction.rows
    assert 0 < len(warehouse(extraction, "tasks")) < extraction.rows
    planhat.ask("changes", CHANGES)
    run = extraction()
    assert_equal(extraction)
    assert reads(run) < 2 * extraction.rows


@pytest.mark.parametrize("victim", [0, 1], ids=["tap", "target"])
@after("INCREMENTAL")
def test_a_killed_run_loses_nothing(extraction, planhat, victim):
    planhat.ask("changes", CHANGES)
    extraction.is_killed("conversations", 1, victim)
    extraction()
    assert_equal(extraction)


@pytest.mark.parametrize("hard_delete", [True, False])
@after("FULL_TABLE")
def test_reading_the_full_table_removes_from_the_warehouse_what_is_gone(
    extraction, planhat, hard_delete
):
    planhat.ask("changes", DELETIONS + CHANGES)
    extraction("FULL_TABLE", hard_delete=hard_delete)
    assert_equal(extraction)
    for name in RESOURCES:
        gone = len(extraction.table(name)) - len(planhat.rows(name))
        assert gone == (0 if hard_delete else DELETED)


@after("FULL_TABLE")
def test_a_full_reading_that_fails_removes_nothing_and_its_resumption_what_is_gone(
    extraction, planhat
):
    before = {name: warehouse(extraction, name).keys() for name in RESOURCES}
    planhat.ask("changes", DELETIONS)
    extraction.fails("conversations", 8, "FULL_TABLE", hard_delete=True)
    left = {name: warehouse(extraction, name).keys() for name in RESOURCES}
    # campaigns had been read to its end.
    assert left.pop("campaigns") == {row["_id"] for row in planhat.rows("campaigns")}
    assert left == {name: before[name] for name in left}
    run = extraction("FULL_TABLE", hard_delete=True)
    assert_equal(extraction)
    assert reads(run) < 4 * (extraction.rows - DELETED) - 5 * extraction.page
