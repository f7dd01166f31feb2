"""The stream map of one stream, evaluated by the Singer SDK.

The SDK's maps know the columns that a record has. Here a column that the stream's SCHEMA
announces and a record lacks is null to them, and a deletion needs its key alone.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import CustomStreamMap

from planhat_api.stream_maps import OPTIONS, explained, is_expression
from target_planhat.record.columns import folded, is_metadata
from target_planhat.record.errors import RejectionError, lacks_key
from target_planhat.record.values import FALSE
from target_planhat.sdk import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.mapper import StreamMap

DELETED_AT = "_sdc_deleted_at"
"""Column that says that the record is gone at the source."""
_FILTER = "__filter__"
_NO_MARKS = FALSE | {"null", "none"}


class RecordMap:
    """Maps the records of one stream."""

    def __init__(
        self,
        stream_map: StreamMap,
        name: str,
        definition: Mapping[str, Any],
        *,
        columns: Iterable[str],
        keyables: Iterable[str],
    ) -> None:
        """Prepare for a stream.

        Args:
            stream_map: The SDK's map.
            name: What `stream_maps` call the stream.
            definition: What they say of it.
            columns: The columns that the stream's SCHEMA announces.
            keyables: Properties by which Planhat finds the record.
        """
        self._stream_map = stream_map
        self._name = name
        # Not from the SDK's schemas, which include the columns that the map makes.
        self._nulls = dict.fromkeys(columns)
        self._keyables = frozenset(map(folded, keyables))
        self._keys = frozenset(stream_map.transformed_key_properties or ())
        self.declares_keys = "__key_properties__" in definition
        """Whether the map declares key properties."""
        self.raw_keys = tuple(stream_map.raw_key_properties or ())
        """The key properties before the map is applied."""
        self._keeps_others = "__else__" not in definition
        self._expressions = {
            name: text for name, text in definition.items() if is_expression(name, text)
        }
        self.made = frozenset(definition) - OPTIONS
        """Columns that the map makes or removes."""
        self._mark = next(filter(_is_mark, self._expressions), "")
        used = [self._used(column) for column in self._expressions if self._is_key(column)]
        self._needed = frozenset(stream_map.raw_key_properties or ()) & frozenset().union(*used)

    @property
    def without_effect(self) -> list[str]:
        """Columns of Singer's own that the map makes or removes without effect."""
        return sorted(
            name
            for name in self.made
            if is_metadata(name) and not (name in self._expressions and _is_mark(name))
        )

    def apply(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return a mapped copy of a record; None: the map's filter leaves it out.

        Raises:
            RejectionError: An expression fails.
        """
        if not self._needed <= record.keys():
            raise lacks_key(self._needed - record.keys())
        full = self._nulls | record
        try:
            mapped = self._stream_map.transform(full)
        except Exception as error:  # noqa: BLE001 - expressions are the user's
            why = explained(
                self._name,
                self._expressions,
                lambda name, expression: self._evaluated(name, expression, full),
                self._nulls,
                error,
            )
            raise RejectionError(why) from None
        if mapped is not None and len(full) > len(record):
            # A column that the record lacks is not sent as null: it may hold only what changed.
            for name in self._nulls.keys() - record.keys() - self.made:
                mapped.pop(name, None)
        return mapped

    def marks_deleted(self, record: dict[str, Any]) -> bool:
        """Return whether the map makes the column that marks deletions."""
        with suppress(Exception):
            return bool(self._mark) and is_gone(self._value(self._mark, self._nulls | record))
        return False

    def apply_to_deleted(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return what identifies a record that is gone; None: the map's filter leaves it out.

        Expressions that fail because columns are missing are left out. A filter that needs such
        columns does not apply.

        Raises:
            RejectionError: A key is made of columns that the record lacks.
        """
        full = self._nulls | record
        if self._leaves_out(full):
            return None
        kept = record.keys() if self._keeps_others else record.keys() & self._keys
        mapped = {name: record[name] for name in kept - self.made}
        failed = []
        for name in self._expressions.keys() - {_FILTER}:
            if self._is_key(name) and self._used(name) & (full.keys() - record.keys()):
                failed.append(name)
                continue
            with suppress(Exception):
                mapped[name] = self._value(name, full)
        if failed and not any(
            self._is_keyable(each) and mapped[each] is not None for each in mapped
        ):
            raise RejectionError(
                f"It is to be deleted, but `{failed[0]}` is made of a column that it lacks: "
                f"make the key of its key columns alone in stream_maps.{self._name}."
            )
        return mapped

    def _is_key(self, column: str) -> bool:
        return column in self._keys or self._is_keyable(column)

    def _is_keyable(self, column: str) -> bool:
        return folded(column) in self._keyables

    def _leaves_out(self, record: dict[str, Any]) -> bool:
        if _FILTER not in self._expressions:
            return False
        try:
            passes = bool(self._value(_FILTER, record))
        except Exception:  # noqa: BLE001 - the same
            return False
        return not passes and all(record.get(name) is not None for name in self._used(_FILTER))

    def _used(self, name: str) -> set[str]:
        """Return the columns that an expression names."""
        names = {
            node.id
            for node in ast.walk(ast.parse(self._expressions[name]))
            if isinstance(node, ast.Name)
        }
        return names & self._nulls.keys()

    def _value(self, name: str, record: dict[str, Any]) -> Any:
        return self._evaluated(name, self._expressions[name], record)

    def _evaluated(self, name: str, expression: str, record: dict[str, Any]) -> Any:
        assert isinstance(self._stream_map, CustomStreamMap)  # noqa: S101 - it has expressions
        return evaluate(self._stream_map, name, expression, record)


def is_gone(mark: object) -> bool:
    """Return whether a mark of a deletion says that the record is gone: "false" does not."""
    return bool(mark) and not (isinstance(mark, str) and mark.strip().lower() in _NO_MARKS)


def _is_mark(column: str) -> bool:
    return column in {DELETED_AT, DELETED_AT.upper()}
