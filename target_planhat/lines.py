"""The JSON of one line, as taps write it.

Knows nothing of Singer.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import orjson


def decoded(line: bytes, *, exact: bool = False) -> Any:
    """Return what a line says.

    Args:
        line: The line.
        exact: Keep the digits of integers of more than 64 bits; slower.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    if exact:
        with suppress(RecursionError):
            return json.loads(line)
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN and half characters are no JSON, but some taps write them.
        return json.loads(line)
