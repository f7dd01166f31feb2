"""The warehouse equals the tenant, row by row and value by value, whatever came between."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from planhat_api.resources import RESOURCES

PAGE = Path(__file__).parents[3] / "docs" / "incremental.md"

DELETED = 15
BY_DATE = {"replication-method": "INCREMENTAL", "replication-key": "updatedAt"}
FULL_TABLE = {"*": {"replication-method": "FULL_TABLE"}}


@pytest.mark.parametrize(
    ("loader", "edits_are_dated"), [("into_duckdb", False), ("into_postgres", True)]
)
def test_a_warehouse_equals_the_tenant_after_a_killed_run_each_next_one_and_a_full_refresh(
    request, loader, edits_are_dated, events, rows
):
    load = request.getfixturevalue(loader)
    changes = events(edits_are_dated=edits_are_dated)
    if edits_are_dated:
        keys = dict.fromkeys(("campaigns", "conversations"), BY_DATE)
        load.project.configure("tap-planhat", _metadata=keys)
    load.is_killed("tasks", calls=9)
    if load.warehouse.keeps_state_amid_run:
        # Until here it kept rows back of which others had come after a STATE.
        load.project.configure("target-duckdb", flush_all_streams=True)
        load.is_killed("tasks", calls=9)
    resumed = load()
    assert load.differences() == []
    if load.warehouse.keeps_state_amid_run:
        assert resumed < 3 * rows
    changes.happen()
    assert len(load.differences()) > rows / 10
    assert load() < rows / 2
    assert load.differences() == []
    changes.pass_unseen()
    assert load.differences() != []
    assert load("--full-refresh") >= 4 * rows
    assert load.differences() == []


def test_the_full_table_removes_what_is_gone_and_a_run_that_dies_half_way_nothing(
    into_postgres, events, planhat
):
    load = into_postgres
    load.project.configure("tap-planhat", _metadata=FULL_TABLE, emit_activate_version_messages=True)
    load()
    before = {name: load.held(name).keys() for name in RESOURCES}
    events(edits_are_dated=True).delete(DELETED)
    load.fails("conversations", calls=8)
    left = {name: load.held(name).keys() for name in RESOURCES}
    # Campaigns had been read to their end.
    assert left.pop("campaigns") == {row["_id"] for row in planhat.rows("campaigns")}
    assert left == {name: before[name] for name in left}
    load()
    assert load.differences() == []


@pytest.mark.parametrize("loader", ["into_duckdb", "into_postgres"])
def test_the_sql_of_the_docs_applies_what_the_stream_of_deletions_tells(
    request, loader, planhat, tmp_path
):
    load = request.getfixturevalue(loader)
    streams = ("tasks", "nps")
    load.project.configure(
        "tap-planhat",
        _metadata=FULL_TABLE,
        _select=[f"{name}.*" for name in (*streams, "deletions")],
        inventory_path=str(tmp_path / "kept"),
    )
    load()
    for name in streams:
        planhat.ask("changes", {"resource": name, "every": 0, "delete": DELETED})
    load()
    deleted = load.warehouse.rows("deletions")
    assert Counter(row["stream"] for row in deleted) == dict.fromkeys(streams, DELETED)
    statements = re.search(r"```sql\n(DELETE.*?)```", PAGE.read_text(), re.DOTALL)[1]
    load.warehouse.apply(statements)
    for name in streams:
        held = {row["_id"] for row in load.warehouse.rows(name)}
        assert held == {row["_id"] for row in planhat.rows(name)}
