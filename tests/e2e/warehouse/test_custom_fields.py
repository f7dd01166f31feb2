"""Typed custom fields become columns of a warehouse, and no value of any row is lost on the way."""

from __future__ import annotations

import json
import re
from datetime import datetime

import pytest

from planhat_api.resources import RESOURCES

TYPES = {
    "into_duckdb": {"HScore": "DOUBLE", "Key account": "BOOLEAN", "Renewal date": "TIMESTAMP"},
    "into_postgres": {
        "HScore": "numeric|double precision",
        "Key account": "boolean",
        "Renewal date": "timestamp",
    },
}
NOT_DEFINED = {"Score history", "Billing"}


def folded(name):
    """Return a name as no loader's spelling of it differs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def column_types(warehouse, table):
    """Return folded column -> type."""
    query = "SELECT table_name, column_name, data_type FROM information_schema.columns"
    found = warehouse.select(query)
    return {folded(name): kind for within, name, kind in found if within == table}


def plain(value):
    """Return a value of a column as JSON had it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        return json.loads(value)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[T ]00:00:00(\+00(:00)?)?", value):
        return f"{value[:10]}T00:00:00.000Z"
    return value


@pytest.mark.parametrize("loader", TYPES)
def test_flattened_typed_fields_are_columns_and_other_has_the_rest(request, loader, planhat):
    load = request.getfixturevalue(loader)
    load.project.configure(
        "tap-planhat",
        custom_fields="typed",
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    load()
    names = {field.name for field in planhat.sandbox.tenant.custom_fields}
    odd = 0
    for table in RESOURCES:
        types = column_types(load.warehouse, table)
        for name, expected in TYPES[loader].items():
            assert re.match(expected, types[folded(f"custom__{name}")]), (table, name)
        held = {row["_id"]: row for row in load.warehouse.rows(table)}
        rows = planhat.rows(table)
        assert held.keys() == {row["_id"] for row in rows}
        for row in rows:
            columns = {folded(name): plain(value) for name, value in held[row["_id"]].items()}
            other = columns["other"] or {}
            assert other.keys() <= {"custom"}
            found = {name: columns[folded(f"custom__{name}")] for name in names}
            found |= other.get("custom", {})
            assert {name: value for name, value in found.items() if value not in (None, "")} == {
                name: value
                for name, value in (row.get("custom") or {}).items()
                if value not in (None, "")
            }
            odd += len(NOT_DEFINED & other.get("custom", {}).keys())
            odd += other.get("custom", {}).get("t123") == "undefined"
    assert odd > 100, "the sample tenant holds values that no column can"
