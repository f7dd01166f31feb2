"""The setting `stream_maps`: faults that the Singer SDK finds late or does not explain."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from planhat_api.errors import SettingsError
from planhat_api.redact import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

NULLS = (None, "__NULL__")
"""What stands for null in a map; Meltano drops the first from a meltano.yml."""
OPTIONS = frozenset({"__alias__", "__else__", "__filter__", "__key_properties__", "__source__"})
"""Names in a map that are not properties."""
_COLUMNS_SHOWN = 12
"""Columns that a message lists."""
_TAKE_NULL = frozenset({"str", "bool", "json.dumps"})
"""Functions that do not fail with null."""


def check_stream_maps(stream_maps: object) -> None:
    """Check that maps hold what the SDK can evaluate; whether columns exist shows later.

    Args:
        stream_maps: The setting.

    Raises:
        SettingsError: Naming every stream and property whose map cannot be used, and what to write.
    """
    if faults := list(_faults(stream_maps)):
        raise SettingsError("; ".join(faults))


def is_expression(name: str, value: Any) -> bool:
    """Return whether a line of a map is evaluated."""
    return value not in NULLS and (name not in OPTIONS or name == "__filter__")


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


def lost_keys_fault(stream_maps: Mapping[str, Any], stream: str, keys: Sequence[str]) -> str:
    """Return in words that a map drops key columns without naming others; "": none does.

    Args:
        stream_maps: The setting.
        stream: The tap's name of the stream.
        keys: Its key columns.
    """
    for entry, definition in definitions(stream_maps, stream):
        drops_others = "__else__" in definition
        lost = [
            name
            for name in keys
            if (drops_others if name not in definition else definition[name] in NULLS)
        ]
        if lost and "__key_properties__" not in definition:
            return (
                f"stream_maps.{entry} drops the key column {', '.join(lost)} of stream {stream}, "
                "by __else__ or by null: keep it, or add __key_properties__ with the columns "
                "that tell its records apart then, such as [sourceId]"
            )
    return ""


def explained(
    entry: str,
    expressions: Mapping[str, str],
    evaluate: Callable[[str, str], Any],
    columns: Iterable[str],
    error: BaseException,
) -> str:
    """Return in words why a map fails with a record: property, expression, cause, and the remedy.

    Args:
        entry: What `stream_maps` call the stream.
        expressions: The map's, by property.
        evaluate: Returns what an expression of a property makes of the record.
        columns: The stream's.
        error: What it fails with.
    """
    for name, expression in expressions.items():
        try:
            evaluate(name, expression)
        except Exception as failure:  # noqa: BLE001 - expressions are the user's
            cause = failure.__cause__ or failure
            hint = next(_hints(name, expression, evaluate, columns, cause), "")
            return (
                f"`{name}`: its expression `{expression}` in stream_maps.{entry} fails with "
                f"{_worded(cause)}.{hint}"
            )
    return f"stream_maps.{entry} fails with {_worded(error)}."


def _hints(
    name: str,
    expression: str,
    evaluate: Callable[[str, str], Any],
    columns: Iterable[str],
    cause: BaseException,
) -> Iterator[str]:
    """Yield what to change, the best first."""
    if type(cause).__name__ == "NameNotDefined":
        known = [column for column in columns if not column.startswith("_sdc_")]
        more = ", …" if len(known) > _COLUMNS_SHOWN else ""
        yield f" The stream's columns are {', '.join(known[:_COLUMNS_SHOWN])}{more}."
    if isinstance(cause, KeyError):
        yield " Use .get() for what an object may lack."
    for part in _parts(expression):
        with suppress(Exception):
            if evaluate(name, part) is None:
                yield (
                    f" `{part}` is null here: write `({expression}) if {part} is not None else "
                    "None`."
                )


def _faults(stream_maps: object) -> Iterator[str]:
    if not isinstance(stream_maps, Mapping):
        yield "stream_maps must be an object of streams"
        return
    for stream, definition in stream_maps.items():
        place = f"stream_maps.{stream}"
        if definition in NULLS:
            continue
        if stream == "__else__" or not isinstance(definition, Mapping):
            wanted = "" if stream == "__else__" else "an object of properties and expressions, or "
            yield f"{place} must be {wanted}__NULL__"
            continue
        for name, value in definition.items():
            if fault := _fault(name, value):
                yield f"{place}.{name} {fault}"


def _fault(name: str, value: Any) -> str | None:
    """Return what is wrong with one line of a map."""
    fault: str | None = None
    if name == "__key_properties__":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            fault = "must be a list of columns, such as [sourceId]"
    elif name == "__else__":
        fault = None if value in NULLS else "can only be __NULL__"
    elif name in {"__alias__", "__source__"}:
        fault = None if isinstance(value, str) else "must be the name of a stream"
    elif name in OPTIONS or value not in NULLS:
        fault = _expression_fault(value)
    return fault


def _expression_fault(expression: Any) -> str | None:
    if not isinstance(expression, str):
        example = "" if expression is None else f', such as "{expression!r}"'
        return f"must be an expression in quotes{example}"
    try:
        # As the SDK parses it: without leading blanks, and as an expression.
        parsed = ast.parse(expression).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        cause = error.msg if isinstance(error, SyntaxError) else str(error)
    else:
        if len(parsed) == 1 and isinstance(parsed[0], ast.Expr):
            return None
        cause = "it is not one expression"
    return (
        f"is {shown(expression)}, which is not a Python expression ({cause}); "
        f"a text stands in quotes of its own, such as \"'note'\""
    )


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
