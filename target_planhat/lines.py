"""The JSON of one line, as taps write it.

Knows nothing of Singer.
"""

from __future__ import annotations

import json
from typing import Any

import orjson


def decoded(line: bytes) -> Any:
    """Return what a line says.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN and half characters are no JSON, but some taps write them.
        return json.loads(line)
