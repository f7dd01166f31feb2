"""The JSON of one line, as taps write it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import orjson

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 19
"""As many digits as the first integer has that orjson makes a float of."""


def decoded(line: bytes, *, exact: bool = False) -> Any:
    """Return what a line says.

    Args:
        line: The line.
        exact: Keep the digits of integers of more than 64 bits; slower.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deep.
    """
    if exact:
        with suppress(RecursionError):
            return json.loads(line)
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN and half characters are not JSON, but some taps write them.
        return json.loads(line)


def with_all_digits(record: dict[str, Any], line: bytes) -> dict[str, Any]:
    """Return a record with every digit of its integers, however long.

    Args:
        record: What `decoded` made of it.
        line: The RECORD message it came in.
    """
    if _LONG in line.translate(_DIGITS):
        # An integer of thousands of digits stays what it is without them: infinite.
        with suppress(ValueError, RecursionError):
            return json.loads(line)["record"]  # type: ignore[no-any-return]
    return record
