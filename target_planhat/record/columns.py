"""Maps the columns of a stream to the properties of a resource, once for each set of columns.

Pure. It looks at names, never at values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from planhat_api.resources import Kind
from target_planhat.record import numbers, values
from target_planhat.record.errors import ConversionError
from target_planhat.record.passthrough import passthrough_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from planhat_api.resources import Property, Resource

_COMPANY_EXTERNAL_ID = "companyExternalId"
"""Column that names the company by its externalId, where none names it by its `_id`."""
_NONE: Mapping[str, Property] = MappingProxyType({})
_CUSTOM = "custom"
_CUSTOM_PREFIX = "custom__"
_METADATA_PREFIX = "_sdc_"
_RANGES = {"score": range(11)}
"""Properties whose whole numbers are limited (`Planhat: NPS`)."""


class _Place(Enum):
    PROPERTY = "property"
    CUSTOM = "custom"
    """A member of `custom`."""
    NOWHERE = "nowhere"
    """Not sent."""
    REJECTED = "rejected"


_UNKNOWN = {"drop": _Place.NOWHERE, "custom": _Place.CUSTOM, "reject": _Place.REJECTED}
"""Value of unknown_properties -> place of a column that is not a property of the resource."""


def _never(_record: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column of a record goes."""

    fields: tuple[tuple[str, str, Callable[[Any], Any]], ...] = ()
    """Column, property, converter; in the order of the property table."""
    custom: str | None = None
    """The column that holds the object `custom`."""
    custom_columns: tuple[tuple[str, str], ...] = ()
    """Column, name inside `custom`; by name."""
    from_tap: tuple[str, ...] = ()
    """Columns that are sent, or part of the key, as the tap sent them."""
    key_columns: tuple[str | None, ...] = ()
    """Columns to make a key from; None: there should be one, but the record lacks it."""
    passes_through: Callable[[Any], bool] = _never
    """Returns whether a record, decoded from JSON, fits the schema and needs no conversion but that
    of `integers`."""
    integers: tuple[tuple[str, Callable[[Any], Any]], ...] = ()
    """Property, converter; 3.0 is to be sent as 3."""
    lists_people: bool = False
    """Whether any column holds a list of people."""
    fault: str = ""
    """Why no record with these columns can be sent."""


class Columns:
    """Finds the property that each column goes to."""

    def __init__(
        self,
        resource: Resource,
        keyables: tuple[str, ...],
        key_properties: tuple[str, ...],
        unknown: str,
        announced: Iterable[str],
        *,
        schema: Mapping[str, Any],
        made: frozenset[str] | None = None,
        lookups: bool = False,
        extra: Mapping[str, Property] = _NONE,
    ) -> None:
        """Prepare for a resource.

        Args:
            resource: Where the records go.
            keyables: Keys that may be sent.
            key_properties: The stream's key properties.
            unknown: What becomes of columns that are not a property: see unknown_properties.
            announced: Columns of the stream's SCHEMA.
            schema: The JSON Schema that records have to fit.
            made: Columns that a stream map makes; None: there is no map.
            lookups: Whether people and companies may be named by address, name or domain.
            extra: Properties that are sent besides the resource's.
        """
        self._resource = resource
        self._properties = {**resource.properties, **extra}
        self._keyables = keyables
        self._key_properties = key_properties
        self._unknown = _UNKNOWN[unknown]
        self._schema = schema
        self._made = made
        self._lookups = lookups
        self._order = {name: at for at, name in enumerate(self._properties)}
        # Before the company's `_id`, which wins where a record has both.
        self._order[_COMPANY_EXTERNAL_ID] = -1
        self._names = {folded(name): name for name in self._properties}
        if resource.company_by_reference:
            self._names[folded(_COMPANY_EXTERNAL_ID)] = _COMPANY_EXTERNAL_ID
        self._unwritable = {name for name, item in self._properties.items() if not item.writable}
        self._list_names = {folded(name): to for name, to in resource.list_names.items()}
        # Names that only a row of the resource's own list has, not one in the table's shape.
        self._telltales = self._list_names.keys() - self._names.keys()
        self._always_listed = self._is_listed(announced)
        self.nullable = frozenset(
            name
            for name, item in self._properties.items()
            if not self._is_required(item) and name not in {*resource.keyables, _CUSTOM}
        ) - {resource.company_property}
        """Properties that may be cleared with null: neither keys nor required ones."""

    def layout(self, columns: tuple[Any, ...]) -> Layout:
        """Return where these columns go; a name that is not text is a fault."""
        fields: dict[str, str] = {}
        custom: dict[str, str] = {}
        listed = self._always_listed or self._is_listed(columns)
        for column in columns:
            if not isinstance(column, str):
                return Layout(fault="The record has a column whose name is not text.")
            place, name = self._place(column, listed=listed)
            if place is _Place.REJECTED:
                return Layout(
                    fault=f"Column {shown(column)} is not a property of {self._resource.name}: "
                    "rename or remove it, or set unknown_properties to drop or custom."
                )
            if place is _Place.NOWHERE:
                continue
            try:
                values.json_name(name)
            except ConversionError as why:
                return Layout(fault=f"Column {shown(column)} is not a name: it {why}.")
            into, label = (
                (fields, f"`{name}`") if place is _Place.PROPERTY else (custom, f"`custom.{name}`")
            )
            if name in into:
                return Layout(fault=_meeting(into[name], column, label))
            into[name] = column
        keys = self._key_columns(columns, listed=listed)
        layout = self._laid_out(fields, custom, keys)
        sent = {*fields.values(), *custom.values(), *keys}
        from_tap = (each for each in columns if each in sent and not self._is_made(each))
        return replace(layout, from_tap=tuple(from_tap))

    def unwritable(self, columns: Iterable[str]) -> list[str]:
        """Return the columns of properties that only Planhat writes."""
        return [name for name in columns if self._names.get(folded(name)) in self._unwritable]

    def _is_made(self, column: str) -> bool:
        # Columns that flattening makes of an object from a map count as made by the map.
        made = self._made or ()
        return column in made or column.partition("__")[0] in made

    def _laid_out(
        self,
        fields: Mapping[str, str],
        custom: Mapping[str, str],
        key_columns: tuple[str | None, ...],
    ) -> Layout:
        properties = self._properties
        converted = tuple(
            (fields[name], *self._target(name))
            for name in sorted(fields, key=self._order.__getitem__)
            if name != _CUSTOM
        )
        looked_at = [(column, convert) for column, _, convert in converted]
        looked_at += [(column, values.flattened_value) for column in custom.values()]
        if _CUSTOM in fields:
            looked_at.append((fields[_CUSTOM], values.mapping))
        seen = {column for column, _ in looked_at}
        looked_at += [
            (each, values.exact_text) for each in key_columns if each and each not in seen
        ]
        return Layout(
            fields=converted,
            custom=fields.get(_CUSTOM),
            custom_columns=tuple((custom[name], name) for name in sorted(custom)),
            key_columns=key_columns,
            passes_through=(
                passthrough_check(looked_at, self._schema) if self._made is None else _never
            ),
            integers=tuple(
                (name, convert)
                for _, name, convert in converted
                if properties[name].kind is Kind.INTEGER
            ),
            lists_people=any(
                properties[name].refers_to and properties[name].kind is Kind.ARRAY
                for _, name, _ in converted
            ),
        )

    def _place(self, column: str, *, listed: bool) -> tuple[_Place, str]:
        if is_metadata(column):
            return _Place.NOWHERE, column
        if column.lower().startswith(_CUSTOM_PREFIX) and len(column) > len(_CUSTOM_PREFIX):
            return _Place.CUSTOM, column[len(_CUSTOM_PREFIX) :]
        bare = folded(column)
        name = self._names.get(bare)
        if listed and bare in self._list_names:
            name = self._list_names[bare]
            if name is None:
                return _Place.NOWHERE, column
        if name is None:
            return self._unknown, column
        if name in self._unwritable or (
            # Planhat would match by it if it were sent: it may be an `_id` of another tenant.
            name in self._resource.keyables and name not in self._keyables
        ):
            return _Place.NOWHERE, name
        return _Place.PROPERTY, name

    def _key_columns(self, columns: tuple[str, ...], *, listed: bool) -> tuple[str | None, ...]:
        """Return the key properties, with what identifies the row itself put for its `_id`.

        In a list row of NPS, `_id` is the contact's, who may have answered many times.
        """
        if not listed:
            return self._key_properties
        own = folded(self._resource.id_in_lists)
        column = next((column for column in columns if folded(column) == own), None)
        return tuple(column if folded(name) == "_id" else name for name in self._key_properties)

    def _is_listed(self, columns: Iterable[Any]) -> bool:
        return bool(self._telltales) and any(
            isinstance(column, str) and folded(column) in self._telltales for column in columns
        )

    def _is_required(self, item: Property) -> bool:
        return item.required or item.name in self._resource.required_to_create

    def _target(self, name: str) -> tuple[str, Callable[[Any], Any]]:
        """Return the property that a column named so goes to, and its converter."""
        if name == _COMPANY_EXTERNAL_ID:
            return self._resource.company_property, values.company_by_external_id
        return name, self._converter(self._properties[name])

    def _converter(self, item: Property) -> Callable[[Any], Any]:
        convert = values.company if item.name == self._resource.company_property else None
        if item.refers_to and item.kind is Kind.OBJECT_ID:
            convert = values.object_id
        if convert is not None:
            return values.NAMED[convert] if self._lookups else convert
        if item.choices:
            return partial(values.choice, item.choices)
        if item.name in _RANGES:
            return partial(numbers.integer_in, _RANGES[item.name])
        if item.kind is Kind.TEXT and item.name in self._keyables:
            return values.key_text
        if item.kind is Kind.TEXT and self._is_required(item):
            return values.filled_text
        return values.CONVERTERS[item.kind]


def is_metadata(column: str) -> bool:
    """Return whether a column is Singer's, not the record's."""
    return column.lower().startswith(_METADATA_PREFIX)


def folded(name: str) -> str:
    """Return the name as warehouses leave it: no case, no underscores but leading ones.

    Those tell `_id`, which is Planhat's, from the `id` of any other system.
    """
    bare = name.lstrip("_")
    return "_" * (len(name) - len(bare)) + bare.replace("_", "").lower()


def _meeting(first: str, second: str, label: str) -> str:
    one, other = sorted((first, second))
    return (
        f"Columns {shown(one)} and {shown(other)} are both {label}: remove or rename one of them."
    )
