"""The warehouse file of the demo, as an analyst sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_LOAD_COLUMNS = "_sdc_extracted_at, _sdc_batched_at, _sdc_deleted_at"


@dataclass(frozen=True)
class Snapshot:
    """What a table held at a time."""

    rows: dict[str, int]
    """Id -> hash of the row."""
    loaded: datetime
    """When its latest row was loaded."""


@dataclass(frozen=True)
class Difference:
    """What a load did to a table."""

    came: int
    new: int
    changed: int

    @property
    def same(self) -> int:
        """Rows that came again as they were."""
        return self.came - self.new - self.changed


class Warehouse:
    """The tables of a DuckDB file; it is opened for each question, or no other could write."""

    def __init__(self, path: Path) -> None:
        """Remember where it is."""
        self._path = path

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return connection.execute(sql, values).fetchall()

    def count(self, table: str) -> int:
        """Return the number of rows."""
        count: int = self.query(f"SELECT count(*) FROM planhat.{table}")[0][0]  # noqa: S608
        return count

    def snapshot(self, table: str) -> Snapshot:
        """Return what a table holds now."""
        rows = self.query(
            "SELECT own._id, hash(own) "  # noqa: S608
            f"FROM (SELECT * EXCLUDE ({_LOAD_COLUMNS}) FROM planhat.{table}) AS own"
        )
        latest = self.query(f"SELECT max(_sdc_batched_at) FROM planhat.{table}")  # noqa: S608
        return Snapshot(dict(rows), latest[0][0])

    def difference(self, table: str, before: Snapshot) -> Difference:
        """Return what was loaded since a snapshot."""
        after = self.snapshot(table).rows
        came = self.query(
            f"SELECT count(*) FROM planhat.{table} WHERE _sdc_batched_at > ?",  # noqa: S608
            before.loaded,
        )[0][0]
        new = after.keys() - before.rows.keys()
        changed = [key for key in before.rows if after.get(key) != before.rows[key]]
        return Difference(came, len(new), len(changed))
