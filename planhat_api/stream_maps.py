"""Checks the setting `stream_maps` at the start, for faults that the Singer SDK finds late."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from planhat_api.errors import SettingsError
from planhat_api.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

NULLS = (None, "__NULL__")
"""What stands for null in a map; Meltano drops the first from a meltano.yml."""
OPTIONS = frozenset({"__alias__", "__else__", "__filter__", "__key_properties__", "__source__"})
"""Names in a map that are not properties."""


def check_stream_maps(stream_maps: object) -> None:
    """Check that maps hold what the SDK can evaluate; whether columns exist shows later.

    Args:
        stream_maps: The setting.

    Raises:
        SettingsError: Naming every stream and property whose map cannot be used, and what to write.
    """
    if faults := list(_faults(stream_maps)):
        raise SettingsError("; ".join(faults))


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
