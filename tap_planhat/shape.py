"""An API row -> a record that fits the schema it was announced with.

Names as in the property table, only selected properties, values of the types the schema gives;
what the schema does not name is kept in the column `other`. Most rows fit as they come, which a
compiled validator finds out at once; the others are fixed value by value.
"""

from __future__ import annotations

import logging
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from planhat_api.errors import ConnectorError
from planhat_api.redact import shown
from planhat_api.rows import RowNames
from planhat_api.schema import OTHER, property_schema
from tap_planhat.values import FIXES, as_loaders_take_it, checker, is_integer, strict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from planhat_api.paging import Row
    from planhat_api.resources import Resource
    from tap_planhat.writer import Record

logger = logging.getLogger(__name__)


class ShapeError(ConnectorError):
    """A row that cannot become a record; its text says why."""


class _NoIdError(ShapeError):
    """The row has no id, so no record can be told from it."""


class Shape:
    """Makes records of one resource's rows."""

    def __init__(
        self,
        resource: Resource,
        selected: Collection[str],
        *,
        unknown: str = "keep",
        custom: Mapping[str, dict[str, Any] | None] | None = None,
    ) -> None:
        """Prepare for a selection.

        Args:
            resource: Whose rows.
            selected: Names of the columns wanted: properties of the property table, of which `_id`
                always is one, and `other`.
            unknown: What becomes of properties that are not in the property table: `keep` has
                them in `other`, `drop` leaves them out, `fail` raises an error.
            custom: Custom field -> JSON Schema, or None for one that is not selected, where each
                is a column of its own; None: `custom` is one object, whatever it holds.
        """
        self._resource = resource
        self._unknown = unknown
        self._has_other = OTHER in selected
        self.keeps_unknown = unknown == "fail" or (unknown == "keep" and OTHER in selected)
        """Properties that are not in the property table are looked at."""
        fields = custom if custom and "custom" in selected else {}
        self._custom = {name: schema for name, schema in fields.items() if schema is not None}
        self._left_out = fields.keys() - self._custom.keys()
        self._typed = bool(fields)
        self._wanted = {
            name: item
            for name, item in resource.properties.items()
            if name in selected or name == "_id"
        }
        schemas = {name: strict(property_schema(item)) for name, item in self._wanted.items()}
        schemas["_id"]["minLength"] = 1
        self._custom = {name: strict(schema) for name, schema in self._custom.items()}
        if self._typed:
            schemas["custom"] |= {"properties": self._custom, "additionalProperties": False}
        self._is_valid = checker(
            {
                "type": "object",
                "properties": schemas,
                "required": ["_id"],
                "additionalProperties": False,
            }
        )
        self._integers = {
            name: methodcaller("get", name)
            for name, schema in schemas.items()
            if is_integer(schema)
        }
        self._custom_integers = [n for n, schema in self._custom.items() if is_integer(schema)]
        self._value_fits = {name: checker(schema) for name, schema in schemas.items()}
        self._custom_fits = {name: checker(schema) for name, schema in self._custom.items()}
        self._no_custom = dict.fromkeys(self._custom)
        self._names = RowNames(resource) if resource.list_names else None
        self.may_keep_rows = self._names is None and not self._typed
        """Rows may be records as they stand, letter for letter."""
        self._told: set[str] = set()
        self.left_out = 0
        """Rows without an id: no records."""

    @property
    def properties(self) -> Collection[str]:
        """Names of the properties wanted, as in the property table."""
        return self._wanted.keys()

    def records(self, rows: Sequence[Row]) -> list[Record]:
        """Return the records of rows that came together, of all that have an id.

        Raises:
            ShapeError: A row has an unknown property that is not allowed.
        """
        decoded = [row for row in rows if isinstance(row, dict)]
        if not decoded:
            return [row.get("verbatim") for row in rows]
        if self._names is not None:
            self._names.learn(decoded)
        made: Sequence[dict[str, Any] | None]
        try:
            made = self._records(decoded)
        except _NoIdError:
            made = self._records_of_some(decoded)
        if len(decoded) == len(rows):
            return list(filter(None, made))
        rest = iter(made)
        records = (next(rest) if isinstance(row, dict) else row.get("verbatim") for row in rows)
        return list(filter(None, records))

    def _records_of_some(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """Return the records of rows; None for those without an id."""
        records: list[dict[str, Any] | None] = []
        for row in rows:
            try:
                records.append(self.record(row))
            except _NoIdError as error:
                records.append(None)
                self.left_out += 1
                if self.left_out == 1:
                    logger.warning("%s; it is left out, as are others like it", error)
        return records

    def record(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the record of a row.

        Raises:
            ShapeError: The row has no id, or an unknown property that is not allowed.
        """
        return self._records([row])[0]

    def _records(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if (names := self._names) is not None:
            rows = [self._renamed(names, row) for row in rows]
        fit = list(map(self._fits if self._may_hold_floats(rows) else self._is_valid, rows))
        if all(fit):
            records = list(rows)
        else:
            records = [
                row if fits else self._shaped(row) for row, fits in zip(rows, fit, strict=True)
            ]
        if self._typed:
            for record in records:
                record["custom"] = self._no_custom | (record.get("custom") or {})
        return records

    def _may_hold_floats(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Return whether an integer may be written as 10.0, which is one to JSON Schema."""
        # For all rows at once, which is faster than row by row.
        return bool(self._custom_integers) or any(
            float in set(map(type, map(value_of, rows))) for value_of in self._integers.values()
        )

    def _shaped(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the record of a row that is not one as it stands."""
        record, other = row, {}
        if not row.keys() <= self._wanted.keys():
            record = {name: value for name, value in row.items() if name in self._wanted}
            other = self._not_known(row)
        if self._typed:
            record, misfits = self._without_misfits(record)
            other |= misfits
        if not self._fits(record):
            record = self._fixed(record)
        if other:
            record[OTHER] = other
        return record

    def _fits(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is a record as it stands, for every loader."""
        if not self._is_valid(row):
            return False
        for name in self._integers:
            if type(row.get(name)) is float:
                return False
        if self._custom_integers and (custom := row.get("custom")):
            return not any(type(custom.get(name)) is float for name in self._custom_integers)
        return True

    def _renamed(self, names: RowNames, row: dict[str, Any]) -> dict[str, Any]:
        renamed = names.renamed(row)
        if renamed is not row and not row.get(self._resource.id_in_lists):
            raise _NoIdError(
                f"a row of {self._resource.path} has no {self._resource.id_in_lists}: {sorted(row)}"
            )
        return renamed

    def _not_known(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties that are not in the property table, if they are to be kept."""
        known = self._resource.properties
        found = {name: value for name, value in row.items() if name not in known}
        if not found:
            return found
        if self._unknown == "fail":
            raise ShapeError(
                f"rows of {self._resource.path} carry {', '.join(map(shown, sorted(found)))}, "
                "which this version does not know: set unknown_properties to keep or drop"
            )
        if not found.keys() <= self._told:
            self._tell_unknown(found.keys() - self._told)
        return found if self.keeps_unknown else {}

    def _tell_unknown(self, names: Collection[str]) -> None:
        self._told.update(names)
        keeps = self.keeps_unknown
        logger.log(
            logging.INFO if keeps else logging.WARNING,
            "%s rows carry properties that this version does not know and %s: %s",
            self._resource.name,
            "keeps in the column `other`" if keeps else "leaves out",
            ", ".join(map(shown, sorted(names))),
        )

    def _without_misfits(
        self, record: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return a record without the custom fields that no column can hold, and those."""
        custom = record.get("custom")
        if not isinstance(custom, dict):
            return dict(record), {}
        fitting: dict[str, Any] = {}
        misfits: dict[str, Any] = {}
        for name, found in custom.items():
            if name in self._left_out:
                continue
            fits = self._custom_fits.get(name)
            value = as_loaders_take_it(self._custom.get(name, {}), found)
            if fits is not None and fits(value):
                fitting[name] = value
            else:
                misfits[name] = found
        kept = {"custom": misfits} if misfits and self._has_other else {}
        return {**record, "custom": fitting}, kept

    def _fixed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with every value of its property's type, or null where it cannot be."""
        if (found := row.get("_id")) is None or found == "":
            raise _NoIdError(f"a row of {self._resource.path} has no _id: {sorted(row)}")
        record: dict[str, Any] = {}
        for name, value in row.items():
            as_is = type(value) is not float or name not in self._integers
            if as_is and self._value_fits[name](value):
                record[name] = value
                continue
            try:
                record[name] = FIXES[self._wanted[name].kind](value)
            except (ValueError, TypeError, OverflowError):
                record[name] = None
                if value != "":
                    self._log_misfit(name, value)
        return record

    def _log_misfit(self, name: str, value: object) -> None:
        if name in self._told:
            return
        self._told.add(name)
        logger.warning(
            "%s.%s holds %s where %s is documented; such values become null",
            self._resource.name,
            name,
            type(value).__name__,
            self._wanted[name].kind.value,
        )
