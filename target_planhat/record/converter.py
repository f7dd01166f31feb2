"""Converts a Singer record to an item of a bulk upsert, or tells why it cannot be sent.

Pure: no HTTP, no Singer SDK, no state but caches. The rules about the record as a whole stand
here; `columns.py` says which column is which property, `values.py` how a value is converted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from target_planhat.item import PER_COMPANY, Item
from target_planhat.record.columns import Columns
from target_planhat.record.errors import ConversionError, RejectionError
from target_planhat.record.keys import KeyMaker
from target_planhat.record.schemas import RecordSchema
from target_planhat.record.values import flattened_value, mapping
from target_planhat.references import has_references

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planhat_api.resources import Resource
    from target_planhat.config import RecordSettings
    from target_planhat.record.columns import Layout

_MAX_LAYOUTS = 1024
"""Sets of columns whose layout is kept; sparse records have many such sets."""


class RecordConverter:
    """Makes items of one resource from the records of one stream.

    >>> from planhat_api.resources import TASKS
    >>> from target_planhat.config import RecordSettings
    >>> converter = RecordConverter(TASKS, "crm-tasks", ["id"], RecordSettings.of({}))
    >>> item = converter.convert({"id": 7, "COMPANY_ID": "extid-acme", "action": "Call"})
    >>> item.body
    {'companyId': 'extid-acme', 'action': 'Call', 'sourceId': 'crm-tasks:7'}
    """

    def __init__(
        self,
        resource: Resource,
        stream_name: str,
        key_properties: Iterable[str],
        settings: RecordSettings,
        columns: Iterable[str] = (),
        *,
        schema: Mapping[str, Any] | None = None,
        made: frozenset[str] | None = None,
    ) -> None:
        """Prepare for a stream.

        Args:
            resource: Where the records go.
            stream_name: The stream's name, part of generated keys: renaming it makes new ones.
            key_properties: The columns that tell the stream's records apart.
            settings: The target's.
            columns: The columns that the stream's SCHEMA announces. A record may leave some
                out; those that betray the shape of Planhat's own NPS list count nevertheless.
            schema: The JSON Schema that records have to fit as far as they are sent; None: any.
            made: Columns that a stream map makes, of which the tap's schema says nothing; None:
                there is no map.

        Raises:
            SchemaError: The schema is not a JSON Schema.
        """
        self.resource = resource
        self._settings = settings
        self._keyables = tuple(
            name
            for name in resource.keyables
            if settings.match_on is None or name in settings.match_on
        )
        # What a record lacks is not sent.
        schema = {name: rule for name, rule in (schema or {}).items() if name != "required"}
        self._key_maker = KeyMaker(resource, self._keyables, stream_name)
        self._columns = Columns(
            resource,
            self._keyables,
            tuple(key_properties),
            settings.unknown_properties,
            tuple(columns),
            schema=schema,
            made=made,
            lookups=settings.lookups,
            extra=resource.reserved_properties if settings.reserved_types == "send" else {},
        )
        self._lookups = settings.lookups
        self._schema = RecordSchema(schema) if schema else None
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._send_nulls = settings.null_values == "send"
        self._needed_with = [(*pair, name) for pair, name in resource.needed_with.items()]
        # With `compare` or `write_mode` these pass: whether they exist is found out later.
        reserves = settings.reserved_types == "reject" and not settings.knows_tenant
        self._reserves_types = bool(resource.reserved_types) and reserves

    def passthrough(self, record: Mapping[str, Any]) -> Item | None:
        """Return what `convert` does, or None if it is not certain that no value needs conversion.

        Args:
            record: The decoded JSON. It must not be changed afterwards: the item may share its
                lists and objects.

        Raises:
            RejectionError: As `convert`.
        """
        layout = self._layouts.get(tuple(record)) or self._layout(record)
        try:
            if self._send_nulls or not layout.passes_through(record):
                return None
        except ValueError:
            return None
        item = self._checked(_unconverted_body(record, layout), record, layout)
        try:
            item.encode()
        except TypeError:
            # A broken character, which `passes_through` does not look for.
            return None
        # Of values that need no conversion, only a list of people can hold references.
        return self._marked(item) if layout.lists_people else item

    def convert(self, record: Mapping[str, Any]) -> Item:
        """Return the item that a record becomes.

        Leaves the record as it is. The same record always gives an equal item.

        Raises:
            RejectionError: It cannot be sent; nothing else is raised.
        """
        layout = self._sound_layout(record)
        if self._schema and (misfit := self._schema.misfit(record, layout.from_tap)):
            raise RejectionError(f"It does not fit its stream's SCHEMA: {misfit}.")
        body = self._body(record, layout)
        if layout.custom or layout.custom_columns:
            self._add_custom(body, record, layout)
        return self._marked(self._checked(body, record, layout))

    def convert_key(self, record: Mapping[str, Any]) -> Item:
        """Return an item with only the keys and the company of a record.

        For a record that is gone at the source: often only its key properties are left.

        Raises:
            RejectionError: It has no key.
        """
        layout = self._sound_layout(record)
        wanted = {*self._keyables, self.resource.company_property}
        fields = tuple(field for field in layout.fields if field[1] in wanted)
        body = self._body(record, replace(layout, fields=fields))
        keys = {name: body[name] for name in self._keyables if body.get(name) is not None}
        company = body.get(self.resource.company_property)
        name = self._key_maker.name
        if keys or name is None or not self._settings.generate_key:
            return Item(body, keys, company)
        key = self._key_maker.key(record, layout.key_columns)
        return Item(body, {name: key}, company, generated=True)

    def properties(self, columns: Iterable[str]) -> frozenset[str]:
        """Return the properties that columns are sent as."""
        layout = self._layout(dict.fromkeys(columns))
        custom = {"custom"} if layout.custom or layout.custom_columns else set()
        return frozenset({name for _, name, _ in layout.fields} | custom)

    def unwritable(self, columns: Iterable[str]) -> list[str]:
        """Return the columns of properties that only Planhat writes."""
        return self._columns.unwritable(columns)

    def _marked(self, item: Item) -> Item:
        """Return an item, marked if it names people or its company by address, name or domain."""
        if self._lookups and has_references(item.body, self.resource):
            item.has_references = True
        return item

    def _layout(self, record: Mapping[str, Any]) -> Layout:
        names = tuple(record)
        layout = self._layouts.get(names)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[names] = self._columns.layout(names)
        return layout

    def _sound_layout(self, record: Mapping[str, Any]) -> Layout:
        layout = self._layout(record)
        if layout.fault:
            raise RejectionError(layout.fault)
        return layout

    def _body(self, record: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
        body: dict[str, Any] = {}
        column = name = ""
        nullable = self._columns.nullable if self._send_nulls else ()
        try:
            for column, name, convert in layout.fields:
                value = record[column]
                if value is not None:
                    value = convert(value)
                if value is not None or name in nullable:
                    body[name] = value
        except ConversionError as why:
            raise RejectionError.of_value(name, column, record[column], why) from None
        return body

    def _add_custom(self, body: dict[str, Any], record: Mapping[str, Any], layout: Layout) -> None:
        """Put together `custom`: a column of its own wins over the same name in the object."""
        column, name = layout.custom or "", "custom"
        try:
            value = record[column] if layout.custom else None
            custom = {} if value is None else mapping(value) or {}
            for column, key in layout.custom_columns:
                name = f"custom.{key}"
                value = flattened_value(record[column])
                if value is not None or self._send_nulls:
                    custom[key] = value
        except ConversionError as why:
            raise RejectionError.of_value(name, column, record[column], why) from None
        if not self._send_nulls:
            custom = {key: value for key, value in custom.items() if value is not None}
        # Planhat merges what it is sent into what it has: an empty object says nothing.
        if custom:
            body["custom"] = custom

    def _checked(self, body: dict[str, Any], record: Mapping[str, Any], layout: Layout) -> Item:
        """Apply the rules about the record as a whole."""
        resource = self.resource
        if self._reserves_types and _is_reserved(body.get("type"), resource):
            # Mail and calls that Planhat made itself come back with their `_id`. They may be
            # updated, their type stays as it is; a new record must not get such a type.
            if "_id" not in body:
                raise RejectionError(
                    f"`type` {shown(body['type'])} is reserved for what Planhat makes itself: "
                    "send another type, such as note, or set reserved_types to send if this "
                    "tenant takes such records through the API."
                )
            del body["type"]
        for name, value, needed in self._needed_with:
            if body.get(name) == value and needed not in body:
                raise RejectionError(f"`{needed}` is missing: `{name}` {value} needs it.")
        keys = {name: body[name] for name in self._keyables if name in body}
        company = body.get(resource.company_property)
        if not keys:
            return self._with_key(body, record, layout)
        if company is None and next(iter(keys)) == PER_COMPANY:
            raise RejectionError(
                f"`{PER_COMPANY}` {shown(keys[PER_COMPANY])} is unique only within a company: "
                f"add `{resource.company_property}`."
            )
        return Item(body, keys, company)

    def _with_key(self, body: dict[str, Any], record: Mapping[str, Any], layout: Layout) -> Item:
        """Add a generated key to a record without one."""
        resource = self.resource
        for name in resource.required_to_create:
            if name not in body:
                raise RejectionError(
                    f"`{name}` is missing: no {resource.singular} is created without it, and "
                    f"the record has no {' or '.join(self._keyables) or 'key'} to find one by."
                )
        company = body.get(resource.company_property)
        if not self._settings.generate_key:
            return Item(body, {}, company)
        key_name = self._key_maker.name
        if key_name is None:
            raise RejectionError(
                "The record has no key that match_on allows, and none of those can be generated: "
                f"add {resource.generated_key} to match_on, or set generate_key to false."
            )
        body[key_name] = key = self._key_maker.key(record, layout.key_columns)
        return Item(body, {key_name: key}, company, generated=True)


def _unconverted_body(record: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    """Return the body of a record whose values need no conversion, without its nulls."""
    body = {
        name: value for column, name, _ in layout.fields if (value := record[column]) is not None
    }
    for name, convert in layout.integers:
        if name in body:
            body[name] = convert(body[name])
    custom = (record[layout.custom] if layout.custom else None) or {}
    if layout.custom_columns:
        custom = custom | {
            key: value
            for column, key in layout.custom_columns
            if (value := record[column]) is not None
        }
    if None in custom.values():
        custom = {key: value for key, value in custom.items() if value is not None}
    if custom:
        body["custom"] = custom
    return body


def _is_reserved(value: object, resource: Resource) -> bool:
    return isinstance(value, str) and value.strip().lower() in resource.reserved_types
