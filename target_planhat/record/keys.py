"""The key of a record that comes without one, made from its stream and its key properties.

Planhat finds a record by such a key when it is sent again, by a retry, a rerun or the next sync.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from target_planhat.record.errors import ConversionError, RejectionError
from target_planhat.record.values import exact_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planhat_api.resources import Resource


class KeyMaker:
    """Makes the keys of one stream."""

    def __init__(self, resource: Resource, keyables: Sequence[str], stream_name: str) -> None:
        """Prepare for a stream.

        Args:
            resource: Where its records go.
            keyables: Keys that may be sent.
            stream_name: Its name, with which every key begins.
        """
        self._resource = resource
        self._stream = _escaped(stream_name)
        # The resource's own choice, else another that may be sent. Only Planhat assigns `_id`.
        choices = [resource.generated_key, *(name for name in keyables if name != "_id")]
        self.name = next((name for name in choices if name in keyables), None)
        """The property that holds the key; None: match_on allows no such property."""

    def key(self, record: Mapping[str, Any], columns: Sequence[str | None]) -> str:
        """Return `<stream>:<values>`, the same for 12, 12.0 and "12", never for two records.

        Args:
            record: The record.
            columns: The columns of its key properties; None: one that it lacks.

        Raises:
            RejectionError: It lacks a key property, or has none.
        """
        if not columns:
            raise RejectionError(
                f"The record has no {' or '.join(self._resource.keyables)}, and its stream has no "
                f"key properties to make one from: map a column to {self._resource.generated_key}, "
                "or set generate_key to false."
            )
        parts = []
        for column in columns:
            value = None if column is None else record.get(column)
            if value is None:
                raise self._nothing_in(column)
            try:
                parts.append(exact_text(value))
            except ConversionError as why:
                raise RejectionError.of_value(column or "", column or "", value, why) from None
        if not "".join(parts).strip():
            raise self._nothing_in(*columns)
        return ":".join((self._stream, *map(_escaped, parts)))

    def _nothing_in(self, *columns: str | None) -> RejectionError:
        names = " and ".join(shown(column or "_id") for column in columns)
        return RejectionError(
            f"The record has no {' or '.join(self._resource.keyables)}, and none can be made from "
            f"its key properties: {names} is empty."
        )


def _escaped(part: str) -> str:
    """Return a part of a key with the separator escaped."""
    return part.replace("%", "%25").replace(":", "%3A")
