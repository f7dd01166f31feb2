"""JSON Schemas of incoming streams, compiled; those of old taps too.

Nothing is fetched for one: it comes from outside, and must not make this computer ask another, or
read a file.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from planhat_api.redact import QUOTED, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


_OF_NAMES = (
    jsonschema_rs.ValidationErrorKind.AdditionalProperties,
    jsonschema_rs.ValidationErrorKind.PropertyNames,
)
"""Errors of a record that are about the columns it has."""


class SchemaError(Exception):
    """A schema that is not valid; the text says where and why."""


class RecordSchema:
    """Checks records against the SCHEMA of their stream, in the columns that are sent."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Prepare for a stream.

        Args:
            schema: Its JSON Schema.

        Raises:
            SchemaError: The schema is not valid.
        """
        self._validator = compiled(schema, mask="its value")

    def misfit(self, record: Mapping[str, Any], columns: Iterable[str]) -> str:
        """Return why columns of a record do not fit, without their values, or "" if they fit.

        Args:
            record: The record.
            columns: Of those that it has, those that count.
        """
        sent = {column: record[column] for column in columns}
        if self._fits(sent):
            return ""
        for column, value in sent.items():
            # Values that are not JSON are checked by the rules of the property.
            with suppress(ValueError):
                for error in self._validator.iter_errors({column: value}):
                    place = ".".join(str(step) for step in error.instance_path)
                    # An error of the record as a whole may be about columns that are not sent.
                    if place or isinstance(error.kind, _OF_NAMES):
                        return f"{place or column}: {error.message}"
        return ""

    def _fits(self, record: Mapping[str, Any]) -> bool:
        try:
            return self._validator.is_valid(record)
        except ValueError:  # half characters, and numbers with thousands of digits
            return False


class _OutsideError(SchemaError):
    """The schema refers to another document."""


def compiled(schema: Mapping[str, Any], *, mask: str | None = None) -> jsonschema_rs.Validator:
    """Return a validator of a schema; formats are not checked.

    One that is not valid by the draft it names, 2020-12 if none, is read as draft 4: many taps
    still write that, without saying so.

    Args:
        schema: The schema.
        mask: What errors say in place of a value.

    Raises:
        SchemaError: It is not a schema by either draft, or refers to another document.
    """
    try:
        return validator(jsonschema_rs.validator_for, schema, mask)
    except SchemaError as error:
        try:
            return validator(jsonschema_rs.Draft4Validator, _draft_4(schema), mask)
        except _OutsideError:
            raise
        except (SchemaError, RecursionError):
            raise error from None


def validator(
    make: Callable[..., jsonschema_rs.Validator], schema: Mapping[str, Any], mask: str | None = None
) -> jsonschema_rs.Validator:
    """Return a validator of a schema, made by a class or function of jsonschema_rs.

    Raises:
        SchemaError: It cannot be made.
    """
    asked_for: list[str] = []

    def note(uri: str) -> Any:
        asked_for.append(uri)
        raise ValueError

    try:
        # Formats are not checked: which properties are dates is for the property table to say.
        return make(dict(schema), validate_formats=False, retriever=note, mask=mask)
    except jsonschema_rs.ValidationError as error:
        place = ".".join(str(step) for step in error.instance_path)
        fault = SchemaError(f"{place or 'it'} cannot be {json.dumps(error.instance)[:QUOTED]}")
    except ValueError as error:
        fault = SchemaError(str(error))
    if asked_for:
        raise _OutsideError(f"it refers to {shown(asked_for[0])}, which is not fetched: put it in")
    raise fault


def _draft_4(schema: Any) -> Any:
    """Return a schema without the draft it names, and without draft 3's `"required": true`."""
    if isinstance(schema, list):
        return [_draft_4(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _draft_4(value)
        for name, value in schema.items()
        if name != "$schema" and not (name == "required" and isinstance(value, bool))
    }
