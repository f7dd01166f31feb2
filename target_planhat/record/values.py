"""Converts one value of a record to the JSON value that Planhat expects for a kind of property.

Warehouses and CSV files deliver numbers for text, text for everything, and times with or
without a zone. Each converter takes any value but null and returns the value to send, or None
for a blank, or raises `ConversionError`. A value that can be read in two ways is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from planhat_api.dates import instant
from planhat_api.resources import Kind
from target_planhat import references
from target_planhat.record.errors import ConversionError
from target_planhat.record.numbers import (
    EXACT,
    HIGHEST,
    LOWEST,
    NOT_JSON,
    finite,
    integer,
    number,
    number_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REFERENCE_PREFIXES = ("extid-", "srcid-")
"""A company may be named by its externalId or sourceId behind these (`Planhat: Create task`)."""

_MAX_DEPTH = 100
"""Levels of nesting sent; orjson and Planhat's storage both end somewhat above."""

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
FALSE = frozenset({"false", "f", "no", "n", "0", ""})
"""Texts that stand for false, in any case."""

_AN_ID = "must be a Planhat id of 24 hexadecimal digits"
_A_COMPANY = f"{_AN_ID}, or the company's own id behind extid- or srcid-"
_A_TEXT = "must be text"
_A_DATE = "must be a date such as 2021-07-29T15:29:34.330Z or 2021-07-29"
_A_KEY = "must be text or an exact whole number, as it is to find one record"
_SOUND = "must be text without broken characters (lone surrogates)"
_A_BOOLEAN = "must be true or false"
_AN_ARRAY = "must be a list, or text that holds one as JSON"
_AN_OBJECT = "must be an object, or text that holds one as JSON"
_SHALLOW = f"must not be nested deeper than {_MAX_DEPTH} levels"


def text(value: Any, expected: str = _A_TEXT) -> str:
    """Return the value as text: numbers without a needless `.0`, booleans in lower case."""
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        if isinstance(value, (int, float, Decimal)):
            return number_text(value)
        return _written_out(value)
    except ValueError:
        raise ConversionError(expected) from None


def filled_text(value: Any) -> str | None:
    """Return the value as text, None for a blank one."""
    converted = text(value)
    return converted if converted and not converted.isspace() else None


def exact_text(value: Any) -> str:
    """Return the value as text, never a float beyond 2^53: it stands for several numbers."""
    if isinstance(value, float) and not -EXACT < value < EXACT:
        raise ConversionError(_A_KEY)
    return text(value, _A_KEY)


def key_text(value: Any) -> str | None:
    """Return a key as text, None for a blank one; a boolean is not a key.

    Neither trimmed nor folded: Planhat compares keys as they are.
    """
    if isinstance(value, bool):
        raise ConversionError(_A_KEY)
    converted = exact_text(value)
    return converted if converted and not converted.isspace() else None


def object_id(value: Any) -> str | None:
    """Return Planhat's id, in the lower case that it answers with; None for a blank."""
    written = text(value, _AN_ID).strip()
    if _OBJECT_ID.fullmatch(written):
        return written.lower()
    if not written:
        return None
    raise ConversionError(_AN_ID)


def company(value: Any) -> str | None:
    """Return a company's id, or its `extid-…` or `srcid-…` reference as it is."""
    written = text(value, _A_COMPANY)
    if written.startswith(REFERENCE_PREFIXES) and written.partition("-")[2].strip():
        return written
    try:
        return object_id(written)
    except ConversionError:
        raise ConversionError(_A_COMPANY) from None


def company_by_external_id(value: Any) -> str | None:
    """Return the reference to the company that has an externalId; None for a blank."""
    written = key_text(value)
    prefix = REFERENCE_PREFIXES[0]
    return written if written is None or written.startswith(prefix) else prefix + written


def choice(choices: Sequence[str], value: Any) -> str | None:
    """Return one of some texts, whatever its case; None for a blank."""
    word = text(value).strip().lower()
    if not word or word in choices:
        return word or None
    raise ConversionError(f"must be one of {', '.join(choices)}")


def named_company(value: Any) -> str | None:
    """Return a company as `company` does, or its name or domain behind name- or domain-."""
    return value if references.company(value) else company(value)


def named_user(value: Any) -> str | None:
    """Return a user's id, or the address to look it up by."""
    return value if references.address(value) else object_id(value)


def boolean(value: Any) -> bool | None:
    """Return true or false, also from 0, 1 and the words for them; None for a blank."""
    if isinstance(value, bool):
        return value
    word = text(value, _A_BOOLEAN).strip().lower()
    if word in _TRUE:
        return True
    if not word:
        return None
    if word in FALSE:
        return False
    raise ConversionError(_A_BOOLEAN)


def array(value: Any) -> list[Any] | None:
    """Return a list of JSON values, also from its JSON text; None for a blank."""
    value = _parsed(value, _AN_ARRAY)
    if value is None or isinstance(value, (list, tuple)):
        return None if value is None else [json_value(item, 1) for item in value]
    raise ConversionError(_AN_ARRAY)


def mapping(value: Any) -> dict[str, Any] | None:
    """Return an object of JSON values, also from its JSON text; None for a blank."""
    value = _parsed(value, _AN_OBJECT)
    if value is None or isinstance(value, Mapping):
        return None if value is None else _members(value, 1)
    raise ConversionError(_AN_OBJECT)


def json_value(value: Any, depth: int = 0) -> Any:
    """Return any value as JSON can carry it, copied: dates as ISO 8601, ids as text."""
    kind = type(value)
    if value is None or kind is bool or (kind is int and LOWEST <= value <= HIGHEST):
        return value
    if kind is str:
        return value if value.isascii() else _sound(value)
    if isinstance(value, (int, float, Decimal)):
        return finite(value)
    if depth > _MAX_DEPTH:
        raise ConversionError(_SHALLOW)
    if isinstance(value, (list, tuple)):
        return [json_value(item, depth + 1) for item in value]
    if kind is dict or isinstance(value, Mapping):
        return _members(value, depth + 1)
    try:
        return text(value)
    except ConversionError:
        raise ConversionError(NOT_JSON) from None


def moment(value: Any) -> str | None:
    """Return a point in time as `dates.instant` writes it; None for a blank."""
    if text := instant(value):
        return text
    if isinstance(value, str) and not value.strip():
        return None
    raise ConversionError(_A_DATE)


def flattened_value(value: Any) -> Any:
    """Return any value as JSON can carry it; text that holds a list or an object as that.

    Flattening, and columns of a warehouse, leave lists and objects as such text.
    """
    if type(value) is str and value[:1] in {"[", "{"}:
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    return json_value(value)


def json_name(name: Any) -> str:
    """Return the name of an object's member, which must be text."""
    if not isinstance(name, str):
        raise ConversionError(NOT_JSON)
    return name if type(name) is str and name.isascii() else _sound(name)


CONVERTERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.OBJECT_ID: object_id,
    Kind.TEXT: text,
    Kind.DATE: moment,
    Kind.INTEGER: integer,
    Kind.NUMBER: number,
    Kind.BOOLEAN: boolean,
    Kind.ARRAY: array,
    Kind.OBJECT: mapping,
}
"""What turns a value into one of that kind."""
NAMED: Mapping[Callable[[Any], Any], Callable[[Any], Any]] = {
    company: named_company,
    object_id: named_user,
}
"""Converter of an id -> the one that lets through a name to look it up by."""


def _sound(value: str) -> str:
    """Return the text if it can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConversionError(_SOUND) from None
    return value


def _written_out(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value) or ""
    if isinstance(value, (date, UUID)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()
    raise ValueError


def _members(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {json_name(name): json_value(item, depth) for name, item in value.items()}


def _parsed(value: Any, expected: str) -> Any:
    if isinstance(value, (str, bytes)):
        if not value.strip():
            return None
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise ConversionError(expected) from None
    return value
