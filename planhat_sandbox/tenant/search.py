"""Finds records by text, newest first, for the page."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import orjson

from planhat_sandbox.tenant import directory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planhat_sandbox.tenant.tenant import Tenant


def count(tenant: Tenant, name: str) -> int:
    """Return how many records of a resource, or rows of a list beside them, there are."""
    table = tenant.tables.get(name)
    return len(directory.dump(tenant, name)) if table is None else len(table.rows)


def encoded(tenant: Tenant, name: str) -> list[bytes]:
    """Return all of them as JSON, oldest first."""
    table = tenant.tables.get(name)
    if table is not None:
        return list(table.rows.values())
    return [orjson.dumps(row) for row in directory.dump(tenant, name)]


def page(tenant: Tenant, name: str, text: str, offset: int, limit: int) -> tuple[list[bytes], bool]:
    """Return some of those that contain a text, newest first, and whether there are more."""
    rows: Iterable[bytes] = reversed(encoded(tenant, name))
    if text:
        needle = orjson.dumps(text.lower())[1:-1].decode()
        rows = (row for row in rows if needle in row.decode().lower())
    found = list(islice(rows, offset, offset + limit + 1))
    return found[:limit], len(found) > limit
