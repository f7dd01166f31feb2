"""Makes the two parts of an entry: the id of a row, and the digest of its record."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.resources import Kind
from tap_planhat.inventory.entries import DIGEST, ID
from tap_planhat.values import FIXES
from tap_planhat.writer import as_dict, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from planhat_api.paging import Row
    from planhat_api.resources import Resource
    from tap_planhat.writer import Record

_ID = re.compile("[0-9a-f]{24}")
_IDS = re.compile("[0-9a-f]*")


def fingerprint(value: object) -> str:
    """Return a short text that differs where values do."""
    encoded = orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(encoded).hexdigest()[:32]


class Digester:
    """Makes digests of records, as they are before stream maps."""

    def __init__(self, shape: str, ignored: Iterable[str] = ()) -> None:
        """Prepare.

        Args:
            shape: What else decides about the records that come out, such as stream maps: in
                another shape no digest is the same.
            ignored: Properties whose changes do not count, such as `custom.Days in Phase`.
        """
        self._salted = hashlib.sha1(shape.encode(), usedforsecurity=False)
        self._ignored = [name.split(".", 1) for name in ignored]

    def encode(self, records: Sequence[Record]) -> tuple[list[bytes], list[bytes]]:
        """Return records as JSON, and their digests."""
        encoded = list(map(to_json, records))
        counted = encoded
        if self._ignored:
            counted = [to_json(self._counting(as_dict(record))) for record in records]
        return encoded, self.digests(counted)

    def digests(self, encoded: Iterable[bytes]) -> list[bytes]:
        """Return the digests of records as JSON."""
        return list(map(self._digest, encoded))

    def _digest(self, encoded: bytes) -> bytes:
        digest = self._salted.copy()
        digest.update(encoded)
        return digest.digest()[:DIGEST]

    def _counting(self, record: Mapping[str, Any]) -> dict[str, Any]:
        counting = dict(record)
        for name, *rest in self._ignored:
            value = counting.get(name)
            if not rest:
                counting.pop(name, None)
            elif isinstance(value, dict) and rest[0] in value:
                counting[name] = {key: value[key] for key in value if key != rest[0]}
        return counting


def rows_of(resource: Resource, records: Iterable[Record], rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows that became records: rows without an id do not."""
    rest = iter(rows)
    for record in records:
        yield next(
            row
            for row in rest
            if row.get("verbatim") is record or _own_id(resource, row) == as_dict(record)["_id"]
        )


def _own_id(resource: Resource, row: Row) -> str | None:
    """Return the `_id` of a row's record; None where it has none."""
    found = row.get(resource.id_in_lists)
    found = row.get("_id") if found is None else found
    return None if found is None else FIXES[Kind.OBJECT_ID](found)


def entry_ids(resource: Resource, rows: Iterable[Row]) -> list[bytes | None]:
    """Return the ids of list rows as entries have them; None where they are not Planhat ids.

    NPS answers are told by the contact's id and their own.
    """
    own = resource.id_in_lists
    if own == "_id":
        found = [row.get("_id") for row in rows]
        return _all_binary(found) or list(map(_binary, found))
    return [_pair(row, own, resource.list_names["_id"]) for row in rows]


def _pair(row: Row, own: str, contact: str | None) -> bytes | None:
    # A row in the shape of the property table has the contact's id under another name.
    listed = isinstance(row, dict) and own in row
    answer = _binary(row.get(own if listed else "_id"))
    by = _binary(row.get("_id" if listed else contact or ""))
    return by + answer if by and answer else None


def _all_binary(ids: Sequence[Any]) -> list[bytes | None]:
    """Return ids as bytes, or nothing if any of them is not a Planhat id; fast, as done at once."""
    if set(map(type, ids)) != {str} or set(map(len, ids)) != {2 * ID}:
        return []
    joined = "".join(ids)
    if not _IDS.fullmatch(joined):
        return []
    data = bytes.fromhex(joined)
    return [data[at : at + ID] for at in range(0, len(data), ID)]


def _binary(value: object) -> bytes | None:
    if isinstance(value, str) and _ID.fullmatch(value):
        return bytes.fromhex(value)
    return None
