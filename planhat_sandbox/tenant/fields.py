"""Casts values that were sent to the types of their properties, as Planhat does."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from planhat_api.resources import Kind
from planhat_sandbox.tenant.tenant import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_api.resources import Property, Resource

HIGHEST_SCORE = 10
"""NPS answers go from 0 to this."""
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}")
_FRACTION = re.compile(r"\.(\d+)")
_BOOLEANS = {"true": True, "false": False}


class CastError(ValueError):
    """A value that cannot be made into its property's type."""


def is_id(value: Any) -> bool:
    """Return whether a value has the form of an ObjectId."""
    return isinstance(value, str) and _HEX_ID.fullmatch(value) is not None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise CastError


def _object_id(value: Any) -> str:
    if not is_id(value):
        raise CastError
    return str(value).lower()


def _date(value: Any) -> str | None:
    if value == "":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return stamp(datetime.fromtimestamp(value / 1000, timezone.utc))
    if not isinstance(value, str):
        raise CastError
    # Before Python 3.11 only three or six digits and no `Z` are understood.
    text = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), value)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))


def _number(value: Any) -> float:
    if isinstance(value, bool) or value == "" or not isinstance(value, (int, float, str)):
        raise CastError
    return float(value) if isinstance(value, str) else value


def _integer(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise CastError
    return int(number)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise CastError


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CastError
    return value


_CASTS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.OBJECT_ID: _object_id,
    Kind.TEXT: _text,
    Kind.DATE: _date,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.ARRAY: _array,
    Kind.OBJECT: _object,
}


def cast(item: Property, value: Any) -> Any:
    """Return the value to store for one that was sent; null stays null.

    Raises:
        CastError: It cannot be made into the property's type.
    """
    if value is None:
        return None
    try:
        return _CASTS[item.kind](value)
    except (ValueError, OverflowError, OSError):
        raise CastError(f"Cast to {item.kind.value} failed at path {item.name}") from None


def cast_all(payload: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    """Return the writable properties of a payload, cast; others are ignored.

    The company stays a reference: to resolve it takes the tenant.

    Raises:
        CastError: A value does not fit its property.
    """
    sent: dict[str, Any] = {}
    for name, value in payload.items():
        item = resource.properties.get(name)
        if item is None or not item.writable:
            continue
        sent[name] = value if name == resource.company_property else cast(item, value)
    score = sent.get("score")
    if score is not None and not 0 <= score <= HIGHEST_SCORE:
        raise CastError(f"score must be between 0 and {HIGHEST_SCORE}")
    return sent
