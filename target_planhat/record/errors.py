"""The verdict on a value that cannot be sent, and how a message quotes such a value.

Knows no property and no resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from uuid import UUID

_SHOWN = 60
"""Characters of a value that a message quotes."""


class ConversionError(ValueError):
    """The value is not what the property takes; the message says what it must be."""


def shown(value: object) -> str:
    """Return the value as a message may quote it: short, printable, never failing."""
    if isinstance(value, (str, bytes)):
        quoted = repr(value[:_SHOWN])
        return quoted if len(value) <= _SHOWN else f"{quoted}…"
    if isinstance(value, int) and not -(10**_SHOWN) < value < 10**_SHOWN:
        return f"a number of more than {_SHOWN} digits"
    if isinstance(value, (bool, int, float, Decimal, date, UUID)):
        return str(value)[:_SHOWN]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"of type {type(value).__name__}"
