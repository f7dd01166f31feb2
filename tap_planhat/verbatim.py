"""Rows whose JSON is that of a record: it is checked, and passed on as it came in.

Decoding a row into Python objects and encoding it again takes most of a run's processor time. Most
rows need neither: a typed decoder finds out whether each property is of the announced type, and
keeps only what a reading looks at.
"""

from __future__ import annotations

from operator import attrgetter
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import orjson

from planhat_api.resources import Kind
from tap_planhat.values import INSTANT, TOO_LARGE, checker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planhat_api.paging import Row
    from planhat_api.resources import Resource

CHUNK = 100
"""Rows that are checked at once: if one of them does not fit, all are decoded."""
DEEPEST = 4
"""Levels of nesting that are checked; rows with more are decoded."""

_Integer = Annotated[int, msgspec.Meta(ge=-TOO_LARGE, le=TOO_LARGE - 1)]


def _types() -> dict[Kind, Any]:
    """Return the types of what every loader takes, JSON down to some depth."""
    scalar: Any = None | bool | _Integer | float | str
    nested = scalar
    for _ in range(DEEPEST):
        nested = scalar | GenericAlias(list, nested) | GenericAlias(dict, (str, nested))
    return {
        Kind.OBJECT_ID: str,
        Kind.TEXT: str,
        Kind.DATE: Annotated[str, msgspec.Meta(min_length=24, max_length=24)],
        # 10.0 is an integer to a decoder of integers, and not to every loader.
        Kind.INTEGER: _Integer | float,
        Kind.NUMBER: float,
        Kind.BOOLEAN: bool,
        Kind.ARRAY: GenericAlias(list, nested),
        Kind.OBJECT: GenericAlias(dict, (str, nested)),
    }


_TYPES = _types()
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What decoders raise for JSON that is not what they expect, or is too deep for them."""
_PIECES = msgspec.json.Decoder(list[msgspec.Raw])
_are_instants = checker({"items": {"pattern": INSTANT}})


class VerbatimRow(msgspec.Struct, gc=False):
    """A row that is a record as it stands; what a reading looks at are its attributes."""

    verbatim: bytes
    """The row as it came in."""

    def get(self, name: str) -> Any:
        """Return the value of a property that is looked at; None if the row has none."""
        return getattr(self, name, None)


class VerbatimRows:
    """Decodes the pages of one list, as far as they need it."""

    def __init__(self, resource: Resource, wanted: Iterable[str], looked_at: Iterable[str]) -> None:
        """Prepare for the rows of a list whose names are those of the property table.

        Args:
            resource: What the list holds.
            wanted: The properties of a record; a row that carries others is not one.
            looked_at: Those that `VerbatimRow.get` is to give.
        """
        items = [resource.properties[name] for name in wanted if name != "_id"]
        # Python gives names with two underscores others inside of a class.
        fields = {item.name: item.name.replace("__", "dunder_", 1) for item in items}
        checked: Any = msgspec.defstruct(
            "CheckedRow",
            [
                ("_id", Annotated[str, msgspec.Meta(min_length=1)]),
                *((fields[item.name], _TYPES[item.kind] | None, None) for item in items),
            ],
            rename={field: name for name, field in fields.items()},
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(list[checked]).decode
        self._dates = [attrgetter(fields[i.name]) for i in items if i.kind is Kind.DATE]
        self._integers = [attrgetter(fields[i.name]) for i in items if i.kind is Kind.INTEGER]
        kept = sorted({"_id", *fields} & {"_id", *looked_at})
        self._kept = [attrgetter(fields.get(name, name)) for name in kept]
        self._row: Any = msgspec.defstruct("Row", kept, bases=(VerbatimRow,), gc=False)

    def decode(self, page: bytes) -> list[Row] | None:
        """Return the rows of a page: verbatim ones, and dicts; None for what is not a page."""
        rows: list[Row] = []
        try:
            pieces = list(map(bytes, _PIECES.decode(page)))
            for start in range(0, len(pieces), CHUNK):
                some = pieces[start : start + CHUNK]
                chunk = b"[" + b",".join(some) + b"]"
                rows += self._verbatim(chunk, some) or _decoded(chunk)
        except _UNREADABLE:
            return None
        return rows

    def _verbatim(self, chunk: bytes, pieces: Sequence[bytes]) -> Iterable[Row] | None:
        """Return rows; None if any of them is not a record as it stands."""
        try:
            # A line break would end the record's line. Spelled otherwise, with blanks or \u00e9, a
            # row would make another record when its neighbours have it decoded.
            if b"\n" in chunk or b"\r" in chunk or (b"\\" in chunk and b"\\u" in chunk):
                return None
            if orjson.dumps(orjson.loads(pieces[0])) != pieces[0]:
                return None
            rows = self._decode(chunk)
        except _UNREADABLE:
            return None
        if any(float in set(map(type, map(value_of, rows))) for value_of in self._integers):
            return None
        dates: list[str] = []
        for value_of in self._dates:
            dates += filter(None, map(value_of, rows))
        if not _are_instants(dates):
            return None
        return map(self._row, pieces, *(map(value_of, rows) for value_of in self._kept))


def _decoded(chunk: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = orjson.loads(chunk)
    if set(map(type, rows)) != {dict}:
        raise TypeError
    return rows
