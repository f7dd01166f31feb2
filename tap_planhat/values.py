"""The values that every loader takes: which those are, and how others become such."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson

from planhat_api.dates import instant, to_text
from planhat_api.resources import Kind
from tap_planhat.instants import EARLIEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def checker(schema: dict[str, Any]) -> Callable[[object], bool]:
    """Return a compiled check whether a value fits a schema."""
    check: Callable[[object], bool] = jsonschema_rs.validator_for(
        schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
    ).is_valid
    return check


INSTANT = (
    r"^(?:[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)|[1-9][0-9](?:0[48]|[2468][048]|[13579][26])-02-29"
    r"|(?:[2468][048]|[13579][26])00-02-29)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$"
)
"""Instants that every loader takes, from the year 1000 on."""


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema only of values that every loader takes, where others fit it too."""
    strict = dict(schema)
    if strict.get("format") == "date-time":
        # RFC 3339 knows a second 60, a year 0 and any number of digits.
        del strict["format"]
        strict["pattern"] = INSTANT
    if is_integer(strict):
        strict |= {"minimum": -TOO_LARGE, "maximum": TOO_LARGE - 1}
    return strict


def is_integer(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema is one of integers."""
    return "integer" in schema.get("type", ())


def as_loaders_take_it(schema: Mapping[str, Any], value: Any) -> Any:
    """Return an integer written as 10.0, or a date of another zone or width, as is usual."""
    if is_integer(schema) and type(value) is float and value.is_integer():
        return int(value)
    if schema.get("pattern") == INSTANT:
        return instant(value) or value
    return value


TOO_LARGE = 2**63
"""Integers from here on have no room in JSON encoders, nor in most databases."""


# Each takes a value that does not fit its property's schema, and is not null.


def _text(value: Any) -> str:
    if value is None:
        raise TypeError
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _date(value: Any) -> str:
    """Dates come as text, sometimes without a zone, or in JavaScript's milliseconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return to_text(EARLIEST + timedelta(milliseconds=value))
    if text := instant(value):
        return text
    raise ValueError


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or abs(number) >= TOO_LARGE:
        raise ValueError
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else int(number)


_DIGITS = re.compile(r"\s*[+-]?[0-9]+\s*")


def _number(value: Any) -> float:
    # To Python, True is 1 and "1_000" is 1000.
    if isinstance(value, bool) or "_" in str(value):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def _boolean(value: Any) -> bool:
    word = _WORDS.get(str(value).strip().lower())
    if word is None:
        raise ValueError
    return word


def _array(value: Any) -> list[Any]:
    if value == "":
        raise ValueError
    return [value]


def _object(_: Any) -> dict[str, Any]:
    raise TypeError


FIXES: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.OBJECT_ID: _text,
    Kind.TEXT: _text,
    Kind.DATE: _date,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.ARRAY: _array,
    Kind.OBJECT: _object,
}
