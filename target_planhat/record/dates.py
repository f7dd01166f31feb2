"""Whatever stands for a point in time -> ISO 8601 as Planhat writes it.

Pure. Refuses what can be read in two ways.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from target_planhat.record.errors import ConversionError

_ALREADY = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
)
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r" ?(?:([Zz]|UTC|GMT)|([+-])([0-9]{2}):?([0-5][0-9])?)?)?"
)
_A_DATE = "must be a date such as 2021-07-29T15:29:34.330Z or 2021-07-29"


def moment(value: Any) -> str | None:
    """Return a point in time as ISO 8601 in UTC with milliseconds, cut off, not rounded.

    Without a zone it is taken as UTC, without a time as midnight; None for a blank. A bare
    number is refused: seconds and milliseconds cannot be told apart with certainty.

    Raises:
        ConversionError: The value is no date, or none of the calendar.
    """
    try:
        if isinstance(value, str):
            if _ALREADY.fullmatch(value):
                datetime.fromisoformat(value[:-1])
                return value
            if not value or value.isspace():
                return None
            return _written(_read(value.strip()))
        if isinstance(value, datetime):
            return _written(value)
        if isinstance(value, date):
            return f"{value.isoformat()}T00:00:00.000Z"
    except (OverflowError, ValueError):  # beyond the years 1 to 9999, or no day of the calendar
        raise ConversionError(_A_DATE) from None
    raise ConversionError(_A_DATE)


def _written(value: datetime) -> str:
    if value.utcoffset() is not None:
        value = value.astimezone(timezone.utc)
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _read(value: str) -> datetime:
    found = _MOMENT.fullmatch(value)
    if not found:
        raise ConversionError(_A_DATE)
    year, month, day, hour, minute, second, fraction, _, sign, *zone = found.groups()
    offset = timedelta(hours=int(zone[0] or 0), minutes=int(zone[1] or 0))
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "")[:6].ljust(6, "0")),
        timezone(-offset if sign == "-" else offset),
    )
