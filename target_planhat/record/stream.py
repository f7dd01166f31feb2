"""One incoming stream: its records become items, deletions, or outcomes at once. Sends nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from planhat_api.resources import RESOURCES
from target_planhat.errors import InputError
from target_planhat.item import Deletion
from target_planhat.outcome import SKIPPED
from target_planhat.record import schemas
from target_planhat.record.converter import RecordConverter
from target_planhat.record.errors import RejectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import jsonschema_rs

    from planhat_api.resources import Resource
    from target_planhat.config import RecordSettings
    from target_planhat.item import Item
    from target_planhat.outcome import Outcome

DELETED_AT = "_sdc_deleted_at"
"""Column in which a tap says that the record is gone at the source."""
DELETED_AT_FOLDED = DELETED_AT.upper()
"""The same, from a warehouse that folds names."""
_STREAM_NAMES = {
    name: resource for resource in RESOURCES.values() for name in (resource.name, resource.singular)
}
_STREAM_NAME = re.compile(rf"(?:.*(?:[-.]|__))?({'|'.join(_STREAM_NAMES)})", re.DOTALL)


def resource_for(stream_name: str) -> Resource | None:
    """Return the resource that a stream is written to, None if its name tells of none.

    That is the resource's name, or its singular, in any case, also behind the name of a schema
    that ends in `-`, `.` or `__`: `tasks`, `task`, `public-tasks`, `ANALYTICS__TASKS`.
    """
    found = _STREAM_NAME.fullmatch(stream_name.lower())
    return _STREAM_NAMES[found[1]] if found else None


@dataclass(frozen=True)
class Origin:
    """The stream as the tap sends it."""

    schema: Mapping[str, Any]
    """Its SCHEMA message."""
    transform: Callable[[dict[str, Any]], dict[str, Any] | None] | None
    """Its stream map, None if that leaves records as they are."""


class IncomingStream:
    """Prepares the records of one stream for one resource."""

    def __init__(
        self,
        stream: str,
        origin: Origin,
        resource: Resource | None,
        *,
        key_stream: str,
        schema: dict[str, Any],
        key_properties: Sequence[str],
        settings: RecordSettings,
    ) -> None:
        """Prepare for a stream.

        Args:
            stream: Its name, after stream maps.
            origin: The stream as it comes in.
            resource: Where it goes; None: nowhere, its records are skipped.
            key_stream: What generated keys begin with.
            schema: Its JSON Schema, after stream maps.
            key_properties: What tells its records apart, after stream maps.
            settings: The target's.

        Raises:
            InputError: Its SCHEMA is not a JSON Schema.
        """
        self.stream = stream
        self.origin = origin
        self.resource = resource
        self.read = 0
        """Records taken."""
        self.gone = 0
        """Of those, records gone at the source that were left alone."""
        self._keys = frozenset(key_properties)
        validate = settings.validate_records
        self._validator = _validator(stream, schema) if validate and resource else None
        self._hard_delete = settings.hard_delete
        columns = schema.get("properties", ())
        self._converter = (
            RecordConverter(
                resource,
                key_stream,
                key_properties,
                settings,
                columns,
                schema=schema if validate else None,
            )
            if resource
            else None
        )

    def prepare(self, record: dict[str, Any]) -> Item | Deletion | Outcome:
        """Return what is to be done about a record, its outcome where nothing is; never raises.

        Args:
            record: What JSON was decoded to.
        """
        self.read += 1
        try:
            return self._prepared(record)
        except RejectionError as error:
            return error.outcome

    def _prepared(self, record: dict[str, Any]) -> Item | Deletion | Outcome:
        is_gone = record.get(DELETED_AT) or record.get(DELETED_AT_FOLDED)
        mapped = record if self.origin.transform is None else self._mapped(record)
        if mapped is None or self._converter is None:
            return SKIPPED
        if is_gone:
            return self._deletion(self._converter, mapped)
        return self._item(self._converter, mapped)

    def _mapped(self, record: dict[str, Any]) -> dict[str, Any] | None:
        assert self.origin.transform is not None  # noqa: S101
        try:
            return self.origin.transform(record.copy())
        except Exception as error:  # noqa: BLE001 - expressions are the user's
            # The SDK's own words are the expression alone. Words may quote any of the record.
            fault = error.__cause__ or error
            raise RejectionError(
                f"Its stream map fails with {type(fault).__name__}: {shown(str(fault))}"
            ) from None

    def _item(self, converter: RecordConverter, record: dict[str, Any]) -> Item:
        has_keys = self._keys <= record.keys()
        if self.origin.transform is None and has_keys:
            item = converter.passthrough(record)
            if item is not None:
                return item
        if self._validator is not None and not self._fits(self._validator, record):
            raise RejectionError(self._misfit(record))
        if not has_keys:
            missing = ", ".join(sorted(self._keys - record.keys()))
            raise RejectionError(f"It lacks its stream's key property {missing}.")
        return converter.convert(record)

    @staticmethod
    def _fits(validator: jsonschema_rs.Validator, record: dict[str, Any]) -> bool:
        try:
            return validator.is_valid(record)
        except ValueError:  # what a stream map may make, and half characters, are no JSON
            return False

    def _deletion(self, converter: RecordConverter, record: dict[str, Any]) -> Deletion | Outcome:
        if not self._hard_delete:
            self.gone += 1
            return SKIPPED
        item = converter.convert_key(record)
        # A key that this target made is no other company's, even if the record has moved.
        return Deletion(item.keys, None if item.generated else item.company)

    def _misfit(self, record: dict[str, Any]) -> str:
        """Say in what a record does not fit its stream's schema, without its values."""
        try:
            error = next(iter(self._validator.iter_errors(record)), None)  # type: ignore[union-attr]
        except ValueError as fault:
            return f"It holds a value that is not JSON: {fault}"
        if error is None:
            return "It does not fit its stream's SCHEMA."
        place = ".".join(str(step) for step in error.instance_path)
        return (
            f"It does not fit its stream's SCHEMA: {place + ': ' if place else ''}{error.message}"
        )


def _validator(stream: str, schema: dict[str, Any]) -> jsonschema_rs.Validator:
    try:
        return schemas.compiled(schema, mask="its value")
    except schemas.SchemaError as error:
        raise InputError(f"SCHEMA of stream {stream} is not a JSON Schema: {error}") from None
