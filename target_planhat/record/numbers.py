"""Numbers of any spelling -> whole numbers and numbers that JSON can carry, or their text."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Any

from target_planhat.record.errors import ConversionError

EXACT = 2**53
"""From here on a float cannot tell all whole numbers apart."""
LOWEST, HIGHEST = -(2**63), 2**63 - 1
"""Whole numbers that every JSON reader on the way, orjson and MongoDB among them, can hold."""
_MAX_EXPONENT = 100
"""Digits up to which a decimal number is written out in full."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(?:\.0*)?")
_DIGITS = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_AN_INTEGER = "must be a whole number"
_A_NUMBER = "must be a number"
NOT_JSON = "must hold nothing but text, finite numbers, true, false, null, lists and objects"
_TOO_LONG = "must hold no integer of more than 64 bits, unless as text"


def integer(value: Any) -> int | None:
    """Return a whole number of at most 64 bits; None for a blank."""
    if type(value) is str:
        value = value.strip()
        if not value:
            return None
        if not _WHOLE.fullmatch(value):
            raise ConversionError(_AN_INTEGER)
        value = int(value.partition(".")[0])
    if isinstance(value, (float, Decimal)):
        value = _whole(value)
    if isinstance(value, bool) or not isinstance(value, int) or not LOWEST <= value <= HIGHEST:
        raise ConversionError(_AN_INTEGER)
    return int(value)


def integer_in(allowed: range, value: Any) -> int | None:
    """Return a whole number within limits; None for a blank."""
    expected = f"{_AN_INTEGER} from {allowed[0]} to {allowed[-1]}"
    try:
        whole = integer(value)
    except ConversionError:
        raise ConversionError(expected) from None
    if whole is None or whole in allowed:
        return whole
    raise ConversionError(expected)


def number(value: Any) -> float | None:
    """Return a finite number, whole if it was given as such; None for a blank."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if not _DECIMAL.fullmatch(value):
            raise ConversionError(_A_NUMBER)
        value = int(value) if _DIGITS.fullmatch(value) else float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ConversionError(_A_NUMBER)
    return finite(value)


def number_text(value: Any) -> str:
    """Parse a number as people write it; ValueError if it is not a number or far too long."""
    if isinstance(value, int):
        return int.__repr__(value)
    if not (value.is_finite() if isinstance(value, Decimal) else isfinite(value)):
        raise ValueError
    whole = _whole(value)
    if whole is not None and (isinstance(value, Decimal) or abs(whole) < EXACT):
        return str(whole)
    if isinstance(value, Decimal) and abs(value.adjusted()) <= _MAX_EXPONENT:
        return format(value, "f")
    return str(value)


def finite(value: Any) -> float:
    """Return the number as JSON can carry it: finite, and whole ones of 64 bits."""
    if isinstance(value, float):
        if not isfinite(value):
            raise ConversionError(NOT_JSON)
        return float(value)
    if isinstance(value, Decimal):
        whole = _whole(value)
        # float() does not take a signalling NaN.
        result = float("nan" if value.is_nan() else value) if whole is None else whole
        if value.is_finite() and not isfinite(result):
            raise ConversionError(_TOO_LONG)
        return finite(result)
    if LOWEST <= value <= HIGHEST:
        return int(value)
    # Beyond that only a number that loses no digit as a float.
    try:
        if float(value) == value:
            return float(value)
    except OverflowError:
        pass
    raise ConversionError(_TOO_LONG)


def _whole(value: Any) -> int | None:
    """Return the number if it is whole and not too large to write out."""
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > _MAX_EXPONENT:
            return None
        return int(value) if value == value.to_integral_value() else None
    return int(value) if value.is_integer() else None
