"""The JSON of one line, as taps write it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from decimal import Decimal
from typing import Any

import orjson

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 19
"""Digits from which on orjson may decode an integer as a float."""
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_COLUMNS = 2
"""Levels at which the columns of a RECORD message's record stand."""


class CutRecord(dict[str, Any]):
    """A record that is nested too deep to be read: its columns, null for lists and objects."""


def decoded(line: bytes | str, *, exact: bool = False) -> Any:
    """Decode a line; a record that is nested too deep becomes a `CutRecord`.

    Args:
        line: The line.
        exact: Keep the digits of integers of more than 64 bits; slower.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deep, and not a RECORD message.
    """
    if exact:
        with suppress(RecursionError):
            return _decoded(line)
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN, half characters and bytes that are not UTF-8 are not JSON, but some taps write them.
        try:
            return _decoded(line)
        except RecursionError:
            return _cut(_text(line))


def with_all_digits(record: dict[str, Any], line: bytes) -> dict[str, Any]:
    """Return a record with every digit of its integers, however long.

    Args:
        record: What `decoded` made of it.
        line: The RECORD message it came in.
    """
    if _LONG in line.translate(_DIGITS):
        with suppress(ValueError, RecursionError):
            return _decoded(line)["record"]  # type: ignore[no-any-return]
    return record


def escaped(line: bytes) -> bytes:
    """Return a line of JSON with bytes that are not UTF-8 escaped as half characters."""
    return _text(line).encode("utf-8", "backslashreplace")


def _decoded(line: bytes | str) -> Any:
    return json.loads(_text(line), parse_int=_integer)


def _text(line: bytes | str) -> str:
    return line if isinstance(line, str) else line.decode("utf-8-sig", "surrogateescape")


def _integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        # Python makes no integer of thousands of digits, as that takes too long.
        return Decimal(digits)


def _cut(text: str) -> dict[str, Any]:
    """Return a RECORD message without the lists and objects in its record."""
    depth, kept, parts = 0, 0, []
    for token in _TOKENS.finditer(text):
        if token[0] in ("[", "{"):
            if depth == _COLUMNS:
                parts += [text[kept : token.start()], "null"]
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
            if depth == _COLUMNS:
                kept = token.end()
    message = json.loads("".join([*parts, text[kept:]]), parse_int=_integer)
    if message["type"] != "RECORD":
        raise RecursionError
    message["record"] = CutRecord(message["record"])
    return message  # type: ignore[no-any-return]
