"""A Singer record -> an item of a bulk upsert, or the reason why not.

Pure: no HTTP, no Singer SDK, no state but caches. The rules that decide whether a record may
be written stand here; `columns.py` says which column is which property, `values.py` and
`dates.py` how a value is converted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from planhat_api.resources import RESOURCES
from target_planhat.item import PER_COMPANY, Item
from target_planhat.record.columns import Columns, UnknownProperties
from target_planhat.record.errors import ConversionError
from target_planhat.record.values import exact_text, json_value, mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planhat_api.resources import Resource
    from target_planhat.record.columns import Layout

KEYABLES = frozenset(name for resource in RESOURCES.values() for name in resource.keyables)
"""Every property by which some resource's records can be found."""

_NULL_VALUES = frozenset({"skip", "send"})
_UNKNOWN_PROPERTIES = frozenset(choice.value for choice in UnknownProperties)
_MAX_LAYOUTS = 1024
"""Sets of columns remembered; sparse records come in many."""
_STREAM_NAMES = {
    name: resource for resource in RESOURCES.values() for name in (resource.name, resource.singular)
}
_STREAM_NAME = re.compile(rf"(?:.*(?:[-.]|__))?({'|'.join(_STREAM_NAMES)})", re.DOTALL)


@dataclass(frozen=True)
class Options:
    """The target's settings of the same names.

    Raises:
        ValueError: A setting has a value it cannot have; the message names it.
    """

    match_on: tuple[str, ...] | None = None
    """Keyables that may be sent; None: all of the resource's."""
    generate_key: bool = True
    """Give a record that carries no keyable one made from its key properties."""
    unknown_properties: str = "drop"
    """`drop`, `custom` (kept in `custom` under the column's name) or `reject`."""
    null_values: str = "skip"
    """`skip` leaves what Planhat has; `send` clears it, but never a key, a property that a
    record cannot be without, or the whole of `custom`."""

    def __post_init__(self) -> None:
        """Check what no schema of settings can be trusted to have checked."""
        if self.match_on is not None and not KEYABLES.issuperset(self.match_on or ("nothing",)):
            raise ValueError(f"match_on must hold one or more of {', '.join(sorted(KEYABLES))}.")
        if self.null_values not in _NULL_VALUES:
            raise ValueError("null_values must be skip or send.")
        if self.unknown_properties not in _UNKNOWN_PROPERTIES:
            raise ValueError("unknown_properties must be drop, custom or reject.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is not sent."""

    reason: str
    """A sentence that names the property and its value, for someone who runs the CRM."""


def resource_for(stream_name: str) -> Resource | None:
    """Return the resource that a stream is written to, None if its name tells of none.

    That is the resource's name, or its singular, in any case, also behind the name of a schema
    that ends in `-`, `.` or `__`: `tasks`, `task`, `public-tasks`, `ANALYTICS__TASKS`.
    """
    found = _STREAM_NAME.fullmatch(stream_name.lower())
    return _STREAM_NAMES[found[1]] if found else None


class RecordConverter:
    """How the records of one stream become items of one resource."""

    def __init__(
        self,
        resource: Resource,
        stream_name: str,
        key_properties: Iterable[str],
        options: Options,
        columns: Iterable[str] = (),
        *,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare for a stream.

        Args:
            resource: Where the records go.
            stream_name: The stream's name, part of generated keys: renaming it makes new ones.
            key_properties: The columns that tell the stream's records apart.
            options: The target's settings.
            columns: The columns that the stream's SCHEMA announces. A record may leave some
                out; those that betray the shape of Planhat's own NPS list count nevertheless.
            schema: The JSON Schema that `passthrough` holds records to; None: any will do.
        """
        self.resource = resource
        self._options = options
        self._keyables = tuple(
            name
            for name in resource.keyables
            if options.match_on is None or name in options.match_on
        )
        self._generated_key = self._key_to_generate()
        self._stream = _escaped(stream_name)
        self._columns = Columns(
            resource,
            self._keyables,
            tuple(key_properties),
            UnknownProperties(options.unknown_properties),
            tuple(columns),
            schema=schema or {},
        )
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._send_nulls = options.null_values == "send"

    def passthrough(self, record: Mapping[str, Any]) -> Item | Refusal | None:
        """Return what `convert` does, for a record that fits the schema and needs no conversion.

        None: it is not certain that it is such a record. Never raises.

        Args:
            record: What JSON was decoded to, and nobody will change: the item may share its lists
                and objects.
        """
        layout = self._layout(record)
        if layout.fault or self._send_nulls or not layout.is_exact(record):
            return None
        return self._checked(_exact_body(record, layout), record, layout)

    def convert(self, record: Mapping[str, Any]) -> Item | Refusal:
        """Return the item that a record becomes, or the reason why it becomes none.

        Never raises, and leaves the record as it is. The same record always gives an equal item.
        """
        layout = self._layout(record)
        if layout.fault:
            return Refusal(layout.fault)
        body = self._body(record, layout)
        if isinstance(body, Refusal):
            return body
        if layout.custom or layout.custom_columns:
            refusal = self._add_custom(body, record, layout)
            if refusal:
                return refusal
        return self._checked(body, record, layout)

    def convert_key(self, record: Mapping[str, Any]) -> Item | Refusal:
        """Return an item of nothing but the keys and the company of a record.

        For a record that is gone at the source: often only its key properties are left. Never
        raises.
        """
        layout = self._layout(record)
        if layout.fault:
            return Refusal(layout.fault)
        wanted = {*self._keyables, self.resource.company_property}
        fields = tuple(field for field in layout.fields if field[1] in wanted)
        body = self._body(record, replace(layout, fields=fields))
        if isinstance(body, Refusal):
            return body
        keys = {name: body[name] for name in self._keyables if body.get(name) is not None}
        company = body.get(self.resource.company_property)
        if keys or self._generated_key is None or not self._options.generate_key:
            return Item(body, keys, company)
        key = self._made_key(record, layout)
        if isinstance(key, Refusal):
            return key
        return Item(body, {self._generated_key: key}, company, generated=True)

    def _layout(self, record: Mapping[str, Any]) -> Layout:
        names = tuple(record)
        layout = self._layouts.get(names)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[names] = self._columns.layout(names)
        return layout

    def _body(self, record: Mapping[str, Any], layout: Layout) -> dict[str, Any] | Refusal:
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
            return _refusal(name, column, record[column], why)
        return body

    def _add_custom(
        self, body: dict[str, Any], record: Mapping[str, Any], layout: Layout
    ) -> Refusal | None:
        """Put together `custom`: a column of its own wins over the same name in the object."""
        column, name = layout.custom or "", "custom"
        try:
            value = record[column] if layout.custom else None
            custom = {} if value is None else mapping(value) or {}
            for column, key in layout.custom_columns:
                name = f"custom.{key}"
                value = json_value(record[column])
                if value is not None or self._send_nulls:
                    custom[key] = value
        except ConversionError as why:
            return _refusal(name, column, record[column], why)
        if not self._send_nulls:
            custom = {key: value for key, value in custom.items() if value is not None}
        # Planhat merges what it is sent into what it has: an empty object says nothing.
        if custom:
            body["custom"] = custom
        return None

    def _checked(
        self, body: dict[str, Any], record: Mapping[str, Any], layout: Layout
    ) -> Item | Refusal:
        """Apply the rules about the record as a whole."""
        resource = self.resource
        if resource.reserved_types and _is_reserved(body.get("type"), resource):
            # Mail and calls that Planhat made itself come back with their `_id`. They may be
            # updated, their type stays as it is; a new record must not get such a type.
            if "_id" not in body:
                return Refusal(
                    f"`type` {shown(body['type'])} is reserved for what Planhat makes itself: "
                    "send another type, such as note."
                )
            del body["type"]
        keys = {name: body[name] for name in self._keyables if name in body}
        company = body.get(resource.company_property)
        if not keys:
            return self._without_key(body, record, layout)
        if company is None and next(iter(keys)) == PER_COMPANY:
            return Refusal(
                f"`{PER_COMPANY}` {shown(keys[PER_COMPANY])} is unique only within a company: "
                f"add `{resource.company_property}`."
            )
        return Item(body, keys, company)

    def _without_key(
        self, body: dict[str, Any], record: Mapping[str, Any], layout: Layout
    ) -> Item | Refusal:
        """Give a key to a record that came with none; it is new, or was given the same before."""
        resource = self.resource
        for name in resource.required_to_create:
            if name not in body:
                return Refusal(
                    f"`{name}` is missing: no {resource.singular} is created without it, and "
                    f"the record has no {' or '.join(self._keyables) or 'key'} to find one by."
                )
        company = body.get(resource.company_property)
        if not self._options.generate_key:
            return Item(body, {}, company)
        if self._generated_key is None:
            return Refusal(
                "The record has no key that match_on allows, and none of those can be generated: "
                f"add {resource.generated_key} to match_on, or set generate_key to false."
            )
        key = self._made_key(record, layout)
        if isinstance(key, Refusal):
            return key
        body[self._generated_key] = key
        return Item(body, {self._generated_key: key}, company, generated=True)

    def _made_key(self, record: Mapping[str, Any], layout: Layout) -> str | Refusal:
        """Return `<stream>:<values>`, the same for 12, 12.0 and "12", never for two records."""
        if not layout.key_columns:
            return Refusal(
                f"The record has no {' or '.join(self.resource.keyables)}, and its stream has no "
                "key properties to make one from: map a column to "
                f"{self.resource.generated_key}, or set generate_key to false."
            )
        parts = []
        for column in layout.key_columns:
            value = None if column is None else record.get(column)
            if value is None:
                return self._no_key_from(column)
            try:
                parts.append(exact_text(value))
            except ConversionError as why:
                return _refusal(column or "", column or "", value, why)
        if not "".join(parts).strip():
            return self._no_key_from(*layout.key_columns)
        return ":".join((self._stream, *map(_escaped, parts)))

    def _no_key_from(self, *columns: str | None) -> Refusal:
        names = " and ".join(shown(column or "_id") for column in columns)
        return Refusal(
            f"The record has no {' or '.join(self.resource.keyables)}, and none can be made from "
            f"its key properties: {names} is empty."
        )

    def _key_to_generate(self) -> str | None:
        """Return the key to fill in: the resource's own, else one that match_on allows."""
        if self.resource.generated_key in self._keyables:
            return self.resource.generated_key
        # Planhat alone mints `_id`.
        return next((name for name in self._keyables if name != "_id"), None)


def _exact_body(record: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
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


def _escaped(part: str) -> str:
    """Return a part of a generated key with the separator spelt out."""
    return part.replace("%", "%25").replace(":", "%3A")


def _is_reserved(value: object, resource: Resource) -> bool:
    return isinstance(value, str) and value.strip().lower() in resource.reserved_types


def _refusal(name: str, column: str, value: object, why: ConversionError) -> Refusal:
    source = "" if column == name else f" (column {shown(column)})"
    return Refusal(f"`{name}`{source} {why}, but is {shown(value)}.")
