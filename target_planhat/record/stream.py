"""One incoming stream: turns its records into items, deletions or outcomes. Sends nothing."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from planhat_api.resources import RESOURCES
from target_planhat.item import Deletion
from target_planhat.lines import CutRecord, with_all_digits
from target_planhat.outcome import skipped
from target_planhat.record.columns import folded
from target_planhat.record.converter import RecordConverter
from target_planhat.record.errors import RejectionError, lacks_key
from target_planhat.record.maps import DELETED_AT, is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from planhat_api.resources import Resource
    from target_planhat.config import RecordSettings
    from target_planhat.item import Item, Label, Origin
    from target_planhat.outcome import Outcome
    from target_planhat.record.maps import RecordMap
    from target_planhat.record.notices import Notices
    from target_planhat.source import Source

_NO_RESOURCE = skipped("Its stream is written nowhere; see unknown_streams.")
_FILTERED = skipped("The stream map leaves it out.")
_GONE = skipped("It is deleted at the source, and hard_delete is off.")
DELETED_AT_FOLDED = DELETED_AT.upper()
"""The mark of a deletion, from a warehouse that folds names."""
_STREAM_NAMES = {
    name: resource for resource in RESOURCES.values() for name in (resource.name, resource.singular)
}
_STREAM_NAME = re.compile(rf"(?:.*(?:[-.]|__))?({'|'.join(_STREAM_NAMES)})", re.DOTALL)


def _not_certain(_record: Mapping[str, Any]) -> None:
    """Have a record converted, as one that a map has changed."""


def resource_for(stream_name: str) -> Resource | None:
    """Return the resource that a stream is written to, None if its name is not one.

    That is the resource's name, or its singular, in any case, also behind the name of a schema
    that ends in `-`, `.` or `__`: `tasks`, `task`, `public-tasks`, `ANALYTICS__TASKS`.
    """
    found = _STREAM_NAME.fullmatch(stream_name.lower())
    return _STREAM_NAMES[found[1]] if found else None


@dataclass(slots=True)
class Tally:
    """Counts the records of a stream, under all of its SCHEMAs."""

    stream: str
    read: int = 0
    gone: int = 0
    """Of those, records gone at the source that were left alone."""


class IncomingStream:
    """Prepares the records that come under one SCHEMA for one resource."""

    def __init__(
        self,
        tally: Tally,
        source: Source,
        resource: Resource | None,
        *,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        record_map: RecordMap | None,
        settings: RecordSettings,
        notices: Notices,
    ) -> None:
        """Prepare for a stream.

        Args:
            tally: Counts its records.
            source: Its name, with which generated keys begin, and its SCHEMA.
            resource: Where it goes; None: nowhere, its records are skipped.
            schema: Its JSON Schema, after stream maps.
            key_properties: What tells its records apart, after stream maps.
            record_map: Its stream map; None: its records are left as they are.
            settings: The target's.
            notices: Tells users what they should know about the stream.

        Raises:
            SchemaError: Its schema is not a JSON Schema.
        """
        self.tally = tally
        self.source = source
        self.resource = resource
        self._keys = frozenset(key_properties)
        self._label, self._key_values = self._origins(key_properties, record_map)
        self._map = record_map
        self._hard_delete = settings.hard_delete
        self._notices = notices
        self._converter: RecordConverter | None = None
        self._passthrough: Callable[[Mapping[str, Any]], Item | None] = _not_certain
        self._dated_now: str | None = None
        if resource is not None:
            self._dated_now = resource.dated_now
            self._converter = RecordConverter(
                resource,
                source.stream,
                key_properties,
                settings,
                schema.get("properties", ()),
                schema=schema if settings.validate_records else {},
                made=record_map.made if record_map else None,
            )
            if record_map is None:
                self._passthrough = self._converter.passthrough
            properties = self._converter.properties(schema.get("properties", ()))
            self.source = replace(source, properties=properties)
            self._tell_of_columns(schema.get("properties", ()))

    def prepare(self, record: dict[str, Any], line: bytes) -> Item | Deletion | Outcome:
        """Return what is to be done about a record, or its outcome if nothing is; never raises.

        Args:
            record: What JSON was decoded to.
            line: The message it came in.
        """
        self.tally.read += 1
        try:
            mark = record.get(DELETED_AT) or record.get(DELETED_AT_FOLDED)
            if not mark and type(record) is not CutRecord:
                item = self._passed_through(record)
                if item is not None:
                    return item
            return self._prepared(record, line, mark)
        except RejectionError as error:
            return error.outcome

    def _passed_through(self, record: dict[str, Any]) -> Item | None:
        """Return the item of a record that needs no conversion, None if that is not certain."""
        try:
            origin = self._label, self._key_values(record)
        except KeyError:
            return None
        item = self._passthrough(record)
        if item is not None:
            item.origin = origin
            if self._dated_now is not None:
                self._look_at(item, self._dated_now)
        return item

    def _prepared(
        self, record: dict[str, Any], line: bytes, mark: Any
    ) -> Item | Deletion | Outcome:
        if self._converter is None:
            return _NO_RESOURCE
        if type(record) is CutRecord:
            raise RejectionError("It is nested too deep to be read.")
        record = with_all_digits(record, line)
        if is_gone(mark) or (self._map is not None and self._map.marks_deleted(record)):
            return self._deletion(self._converter, record)
        mapped = record if self._map is None else self._map.apply(record)
        if mapped is None:
            return _FILTERED
        if not self._keys <= mapped.keys():
            raise lacks_key(self._keys - mapped.keys())
        item = self._converter.convert(mapped)
        item.origin = self._origin(record, mapped)
        if self._dated_now is not None:
            self._look_at(item, self._dated_now)
        return item

    def _deletion(self, converter: RecordConverter, record: dict[str, Any]) -> Deletion | Outcome:
        if not self._hard_delete:
            self.tally.gone += 1
            return _GONE
        mapped = record if self._map is None else self._map.apply_to_deleted(record)
        if mapped is None:
            return _FILTERED
        item = converter.convert_key(mapped)
        # A generated key is unique across companies, even if the record has moved to another one.
        company = None if item.generated else item.company
        return Deletion(item.keys, company, self._origin(record, mapped))

    def _origins(
        self, key_properties: Sequence[str], record_map: RecordMap | None
    ) -> tuple[Label, Callable[[Mapping[str, Any]], Any]]:
        """Return the label of the records' origins, and the function that reads their key values.

        The tap's key properties count, unless a map declares others. If those are Planhat's own
        keys, records of several streams may be meant to meet in one.
        """
        self._declares_keys = record_map is not None and record_map.declares_keys
        names = key_properties
        if record_map is not None and not self._declares_keys:
            names = record_map.raw_keys
        keyables = frozenset(map(folded, self.resource.keyables if self.resource else ()))
        shared = self._declares_keys and keyables.issuperset(map(folded, names))
        label = ("" if shared else self.source.stream, tuple(names))
        return label, itemgetter(*names) if names else lambda _: ()

    def _origin(self, record: Mapping[str, Any], mapped: Mapping[str, Any]) -> Origin:
        """Return the origin of a record, of which a map has made another."""
        seen = mapped if self._declares_keys else record
        try:
            return self._label, self._key_values(seen)
        except KeyError:
            return self._label, tuple(seen.get(name) for name in self._label[1])

    def _look_at(self, item: Item, dated_now: str) -> None:
        """Tell users if a record comes without the date that Planhat then makes up."""
        if dated_now not in item.body:
            self._notices.tell(
                self.source.stream,
                dated_now,
                f"records come without {dated_now}; where such a record is new, Planhat "
                "dates it now: map the date to that property",
            )
            self._dated_now = None

    def _tell_of_columns(self, columns: Iterable[str]) -> None:
        made = self._map.made if self._map else frozenset()
        without_effect = self._map.without_effect if self._map else []
        if without_effect:
            self._notices.tell(
                self.source.stream,
                "metadata",
                f"the map's {', '.join(without_effect)} has no effect: of columns that begin with "
                f"_sdc_, only {DELETED_AT} counts, and it cannot be removed",
            )
        assert self._converter is not None  # noqa: S101
        unwritable = self._converter.unwritable(columns)
        if unwritable:
            self._notices.tell(
                self.source.stream,
                "unwritable",
                f"{', '.join(unwritable)}: not sent, as Planhat fills in these properties itself",
                logging.INFO if made.isdisjoint(unwritable) else logging.WARNING,
            )
