"""The stream map of one stream: evaluated by the Singer SDK, explained where it fails.

The SDK's maps know the columns that a record has. Here a column that the stream's SCHEMA
announces and a record lacks is null to them; a deletion needs its key alone; and an error names
property, expression, cause, and what to change.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import CustomStreamMap

from planhat_api.redact import shown
from planhat_api.stream_maps import NULLS, OPTIONS
from target_planhat.record.columns import folded, is_metadata
from target_planhat.record.errors import RejectionError, lacks_key
from target_planhat.record.values import FALSE
from target_planhat.sdk import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import StreamMap

DELETED_AT = "_sdc_deleted_at"
"""Column that says that the record is gone at the source."""
_FILTER = "__filter__"
_COLUMNS_SHOWN = 12
"""Columns that a message lists."""
_TAKE_NULL = frozenset({"str", "bool", "json.dumps"})
"""Functions that do not fail with null."""


def definitions(stream_maps: Mapping[str, Any], stream: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the entries of `stream_maps` for a stream, in the order of the SDK's maps for it.

    Args:
        stream_maps: The setting.
        stream: The tap's name of the stream.
    """
    first: tuple[str, Mapping[str, Any]] = (stream, {})
    others = []
    for name, value in stream_maps.items():
        definition = value if isinstance(value, dict) else {}
        source = definition.get("__source__", name)
        if source != stream and not fnmatch(stream, source):
            continue
        if "__source__" in definition:
            others.append((name, definition))
        else:
            first = (name, definition)
    return [first, *others]


def lost_keys(definition: Mapping[str, Any], key_properties: Sequence[str]) -> list[str]:
    """Return the key columns of a stream that its map drops without naming others."""
    if "__key_properties__" in definition:
        return []
    drops_others = "__else__" in definition
    return [
        name
        for name in key_properties
        if (drops_others if name not in definition else definition[name] in NULLS)
    ]


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
            name: text
            for name, text in definition.items()
            if name not in OPTIONS - {_FILTER} and text not in NULLS
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
            raise self._explained(full, error) from None
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

    def _explained(self, record: dict[str, Any], error: Exception) -> RejectionError:
        for name, expression in self._expressions.items():
            try:
                self._value(name, record)
            except Exception as failure:  # noqa: BLE001 - the same
                cause = failure.__cause__ or failure
                hint = next(self._hints(name, record, cause), "")
                return RejectionError(
                    f"`{name}`: its expression `{expression}` in stream_maps.{self._name} fails "
                    f"with {_worded(cause)}.{hint}"
                )
        return RejectionError(f"stream_maps.{self._name} fails with {_worded(error)}.")

    def _hints(self, name: str, record: dict[str, Any], cause: BaseException) -> Iterator[str]:
        """Yield what to change, the best first."""
        expression = self._expressions[name]
        if type(cause).__name__ == "NameNotDefined":
            columns = [column for column in self._nulls if not column.startswith("_sdc_")]
            more = ", …" if len(columns) > _COLUMNS_SHOWN else ""
            yield f" The stream's columns are {', '.join(columns[:_COLUMNS_SHOWN])}{more}."
        if isinstance(cause, KeyError):
            yield " Use .get() for what an object may lack."
        for part in _parts(expression):
            with suppress(Exception):
                if self._evaluated(name, part, record) is None:
                    yield (
                        f" `{part}` is null here: write `({expression}) if {part} is not None "
                        "else None`."
                    )


def is_gone(mark: object) -> bool:
    """Return whether a mark of a deletion says that the record is gone: "false" does not."""
    return bool(mark) and not (isinstance(mark, str) and mark.strip().lower() in FALSE)


def _is_mark(column: str) -> bool:
    return column in {DELETED_AT, DELETED_AT.upper()}


def _parts(expression: str) -> Iterator[str]:
    """Yield the parts of an expression that must not be null, inner ones first."""
    for node in reversed(list(ast.walk(ast.parse(expression)))):
        match node:
            case ast.Subscript(value=part) | ast.Attribute(value=part):
                yield ast.unparse(part)
            case ast.BinOp(left=left, right=right):
                yield from (ast.unparse(left), ast.unparse(right))
            case ast.Compare(left=left, comparators=others):
                yield from map(ast.unparse, (left, *others))
            case ast.Call(func=function, args=arguments) if ast.unparse(function) not in _TAKE_NULL:
                yield from map(ast.unparse, arguments)


def _worded(error: BaseException) -> str:
    # The error's own words may quote the whole record.
    return f"{type(error).__name__}: {shown(str(error))}"
