"""The records that Planhat has of one resource, kept in a temporary file while a run goes on.

About as large as the JSON of the properties that are asked for. The file has no name any more once
it is open (but on Windows), so that nothing of it is left behind, however the run ends.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.errors import PlanhatError
from target_planhat.tenant.compare import KnownRow
from target_planhat.tenant.reading import TenantReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

    Row = Mapping[str, Any]

CACHE_KB = 8_000
"""Kilobytes of the file that are kept in memory."""
MOST_CUSTOM = 10_000
"""Most names of custom fields that are kept; others count as carried by no row."""
MARGIN = 60
"""Seconds by which Planhat's clocks may differ from one another."""
_CUSTOM = "custom"


class StoreError(PlanhatError):
    """The temporary file cannot be written or read."""

    hint = "Free some disk, or name another folder for temporary files in TMPDIR"


class TenantRows:
    """Finds the records of one resource by their keys."""

    def __init__(self, resource: Resource, properties: Collection[str]) -> None:
        """Make the file, empty.

        Args:
            resource: Whose records.
            properties: What is kept of them, besides their keys and their company.

        Raises:
            StoreError: It cannot be made.
        """
        self.properties = {*properties, *resource.keyables, resource.company_property}
        self._resource = resource
        self.read_at = 0.0
        """When the last row was read, by `time.monotonic`."""
        self.young = ""
        """The least `_id` of records that may have been made since they were read."""
        self.was_empty = True
        """No row was read."""
        self._keys = resource.keyables
        self._carried: set[str] = set()
        self._custom: set[str] = set()
        with _errors():
            self._file = _unnamed()
            # Python 3.13 and later warn of a connection that is dropped open.
            self._close = weakref.finalize(self, self._file.close)
            columns = "number INTEGER PRIMARY KEY, json, certain DEFAULT 1"
            keys = ", ".join(f"{key} TEXT" for key in self._keys)
            self._file.execute(f"CREATE TABLE rows ({columns}, {keys})")
            self._file.execute("CREATE UNIQUE INDEX by_id ON rows (_id)")
        names = (*self._keys, "json")
        marks = ", ".join("?" * len(names))
        sets = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        # Names of properties alone are put into statements.
        self._insert = (
            f"INSERT INTO rows ({', '.join(names)}) VALUES ({marks}) "  # noqa: S608
            f"ON CONFLICT (_id) DO UPDATE SET {sets}"
        )
        sets = ", ".join(f"{name} = ?" for name in names)
        self._update = f"UPDATE rows SET {sets} WHERE number = ?"  # noqa: S608

    @property
    def carried(self) -> Collection[str]:
        """Properties that any row carries, custom fields as `custom.Name`."""
        return self._carried

    def close(self) -> None:
        """Close the file, which removes it."""
        self._close()

    def read_from(self, client: PlanhatClient) -> None:
        """Read all records that there are.

        Raises:
            StoreError: The file cannot be written.
            IncompleteError: It cannot be proved that these are all.
            PlanhatError: A list cannot be had.
        """
        began = time.monotonic()
        self.read(TenantReader(client, self._resource, self.properties).batches(self.has))
        # Not before: the server's time is known from its first answer on.
        listed = client.clock.now().timestamp() - (time.monotonic() - began)
        self.young = f"{int(listed) - MARGIN:08x}"

    def read(self, batches: Iterable[Sequence[dict[str, Any]]]) -> None:
        """Store all rows, then index them.

        Raises:
            StoreError: The file cannot be written.
            PlanhatError: What the batches raise.
        """
        with _errors():
            self._file.execute("BEGIN")
            for rows in batches:
                self.was_empty = self.was_empty and not rows
                self._learn(rows)
                self._file.executemany(self._insert, map(self._stored, rows))
            for key in self._keys[1:]:
                self._file.execute(f"CREATE INDEX by_{key} ON rows ({key}) WHERE {key} IS NOT NULL")
            self._file.execute("COMMIT")
        self.read_at = time.monotonic()

    def has(self, record_id: str) -> bool:
        """Return whether there is a record with this `_id`."""
        with _errors():
            found = self._file.execute("SELECT 1 FROM rows WHERE _id = ?", (record_id.lower(),))
            return found.fetchone() is not None

    def candidates(self, keys: Mapping[str, str]) -> dict[str, list[KnownRow]]:
        """Return keyable -> the records that have the given value of it."""
        return {name: self._by(name, value) for name, value in keys.items()}

    def put(self, found: KnownRow | None, body: Row, record_id: str | None) -> None:
        """Take note of an item that was written.

        Args:
            found: The record it was compared with, None where it was new.
            body: What was sent, with the company's `_id`.
            record_id: The `_id` that Planhat gave it, where that is known.
        """
        sent = {name: value for name, value in body.items() if name != "_id"}
        row = {**(found.row if found else {}), **sent}
        old = found.row.get(_CUSTOM) if found else None
        if isinstance(old, dict) and isinstance(sent.get(_CUSTOM), dict):
            row[_CUSTOM] = old | sent[_CUSTOM]
        if not row.get("_id"):
            row["_id"] = record_id
        values = self._stored(row)
        with _errors():
            if found is None:
                self._file.execute(self._insert, values)
            else:
                self._file.execute(self._update, (*values, found.number))

    def forget(self, found: KnownRow) -> None:
        """Mark a record as possibly changed."""
        with _errors():
            self._file.execute("UPDATE rows SET certain = 0 WHERE number = ?", (found.number,))

    def remove(self, found: KnownRow) -> None:
        """Remove a record that is gone."""
        with _errors():
            self._file.execute("DELETE FROM rows WHERE number = ?", (found.number,))

    def _by(self, name: str, value: str) -> list[KnownRow]:
        query = f"SELECT number, json, certain FROM rows WHERE {name} = ?"  # noqa: S608
        with _errors():
            return [
                KnownRow(number, orjson.loads(text), bool(certain))
                for number, text, certain in self._file.execute(query, (_key(name, value),))
            ]

    def _stored(self, row: Row) -> tuple[Any, ...]:
        keys = [_key(name, row.get(name)) for name in self._keys]
        kept = {name: value for name, value in row.items() if name in self.properties}
        return (*keys, orjson.dumps(kept))

    def _learn(self, rows: Iterable[Row]) -> None:
        """Remember which properties rows carry."""
        self._carried.update(self.properties.intersection(set().union(*rows)))
        if len(self._custom) < MOST_CUSTOM:
            fields = [custom for row in rows if isinstance(custom := row.get(_CUSTOM), dict)]
            new = set().union(*fields) - self._custom
            self._custom |= new
            self._carried.update(f"{_CUSTOM}.{key}" for key in new)


def _key(name: str, value: Any) -> str | None:
    """Return a key as it is looked for; None for a blank or for what cannot be a key."""
    if not isinstance(value, str) or not value:
        return None
    return value.lower() if name == "_id" else value


def _unnamed() -> sqlite3.Connection:
    """Return an empty database in a file that is gone as soon as it is closed."""
    descriptor, path = tempfile.mkstemp(prefix="target-planhat-", suffix=".sqlite")
    os.close(descriptor)
    # Of the threads of a run, one uses it at a time.
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (
        "locking_mode = EXCLUSIVE",
        "journal_mode = OFF",
        "synchronous = OFF",
        f"cache_size = -{CACHE_KB}",
    ):
        file.execute(f"PRAGMA {pragma}")
    # Windows removes no file that is open.
    with suppress(PermissionError):
        os.unlink(path)  # noqa: PTH108
    return file


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the temporary file in {tempfile.gettempdir()}", str(error)) from None
