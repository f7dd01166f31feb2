"""One incoming stream: its records become items, deletions or reasons why not.

Sends nothing. What a record must be like for Planhat is decided in `payload.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from target_planhat.errors import InputError
from target_planhat.item import Deletion, Item
from target_planhat.record import schemas
from target_planhat.record.converter import RecordConverter, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import jsonschema_rs

    from planhat_api.resources import Resource
    from target_planhat.record.converter import Options

DELETED_AT = "_sdc_deleted_at"
"""Column in which a tap says that the record is gone at the source."""
DELETED_AT_FOLDED = DELETED_AT.upper()
"""The same, from a warehouse that folds names."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A record that the settings leave out."""


Prepared = Item | Deletion | Refusal | Skip
SKIP = Skip()


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
        options: Options,
        validate: bool,
        hard_delete: bool,
    ) -> None:
        """Prepare for a stream.

        Args:
            stream: Its name, after stream maps.
            origin: The stream as it comes in.
            resource: Where it goes; None: nowhere, its records are skipped.
            key_stream: What generated keys begin with.
            schema: Its JSON Schema, after stream maps.
            key_properties: What tells its records apart, after stream maps.
            options: Settings for making items.
            validate: Records that do not fit the schema are refused.
            hard_delete: Records that are gone at the source are deleted, not skipped.

        Raises:
            InputError: The schema is not valid.
        """
        self.stream = stream
        self.origin = origin
        self.resource = resource
        self.read = 0
        """Records taken."""
        self.gone = 0
        """Of those, records gone at the source that were left alone."""
        self._keys = frozenset(key_properties)
        self._validator = _validator(stream, schema) if validate and resource else None
        self._hard_delete = hard_delete
        columns = schema.get("properties", ())
        self._plan = (
            RecordConverter(
                resource,
                key_stream,
                key_properties,
                options,
                columns,
                schema=schema if validate else None,
            )
            if resource
            else None
        )

    def prepare(self, record: dict[str, Any]) -> Prepared:
        """Return what is to be done about a record. Never raises."""
        self.read += 1
        is_gone = record.get(DELETED_AT) or record.get(DELETED_AT_FOLDED)
        if self.origin.transform is not None:
            try:
                mapped = self.origin.transform(record.copy())
            except Exception as error:  # noqa: BLE001 - expressions are the user's
                # The SDK's own words are the expression alone. Words may quote any of the record.
                fault = error.__cause__ or error
                return Refusal(
                    f"Its stream map fails with {type(fault).__name__}: {shown(str(fault))}"
                )
        else:
            mapped = record
        if mapped is None or self._plan is None:
            return SKIP
        return self._deletion(self._plan, mapped) if is_gone else self._item(self._plan, mapped)

    def _item(self, plan: RecordConverter, record: dict[str, Any]) -> Prepared:
        if self.origin.transform is None and self._keys <= record.keys():
            item = plan.passthrough(record)
            if item is not None:
                return item
        if self._validator is not None and not self._fits(self._validator, record):
            return Refusal(self._misfit(record))
        if not self._keys <= record.keys():
            missing = ", ".join(sorted(self._keys - record.keys()))
            return Refusal(f"It lacks its stream's key property {missing}.")
        return plan.convert(record)

    @staticmethod
    def _fits(validator: jsonschema_rs.Validator, record: dict[str, Any]) -> bool:
        try:
            return validator.is_valid(record)
        except ValueError:  # what a stream map may make, and half characters, are no JSON
            return False

    def _deletion(self, plan: RecordConverter, record: dict[str, Any]) -> Prepared:
        if not self._hard_delete:
            self.gone += 1
            return SKIP
        item = plan.convert_key(record)
        if isinstance(item, Refusal):
            return item
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
        raise InputError(f"SCHEMA of stream {stream} is no valid JSON Schema: {error}") from None
