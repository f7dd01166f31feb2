"""The SQL that applies `deletions`, word for word."""

from __future__ import annotations

import duckdb
import pytest

PAGE = "docs/incremental.md"


@pytest.fixture
def warehouse():
    """Two tables as loaders leave them, and what is gone of each."""
    with duckdb.connect() as connection:
        for name in ("tasks", "nps"):
            connection.execute(f"CREATE TABLE {name} (_id VARCHAR)")
            connection.execute(f"INSERT INTO {name} VALUES ('a'), ('b'), ('{name}')")  # noqa: S608
        connection.execute("CREATE TABLE deletions (stream VARCHAR, _id VARCHAR)")
        connection.execute(
            "INSERT INTO deletions VALUES ('tasks', 'a'), ('nps', 'b'), ('nps', 'c')"
        )
        yield connection


def test_the_view_shown_leaves_out_what_is_gone(page_named, warehouse):
    _, view = page_named(PAGE).blocks("sql")
    assert sorted(warehouse.execute(view).fetchall()) == [("b",), ("tasks",)]


def test_the_statements_shown_delete_what_is_gone_and_nothing_else(page_named, warehouse):
    statements, _ = page_named(PAGE).blocks("sql")
    warehouse.execute(statements)
    left = {
        name: sorted(row[0] for row in warehouse.table(name).fetchall())
        for name in ("tasks", "nps")
    }
    assert left == {"tasks": ["b", "tasks"], "nps": ["a", "nps"]}
