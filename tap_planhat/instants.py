"""Points in time as text that compares like time: dates, and ids that carry one.

Planhat's dates are ISO 8601 in UTC with milliseconds; what comes in another precision or zone is
brought to that width, since bookmarks are compared as text.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

# Days after the 28th are looked up in the calendar.
_USUAL = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ]((?:[01]\d|2[0-3]):[0-5]\d)(?::(\d\d)(?:[.,](\d+))?)?)?"
    r"\s*(Z|z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?",
    re.ASCII,
)
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)


def instant(value: object) -> str:
    """Return a date as `YYYY-MM-DDTHH:MM:SS.mmmZ`, cut to milliseconds; "" for what is none.

    A date without a zone is taken as UTC.
    """
    if not isinstance(value, str):
        return ""
    if _USUAL.fullmatch(value):
        return value
    match = _ISO.fullmatch(value.strip())
    if not match:
        return ""
    day, minute, second, fraction, zone = match.groups()
    text = f"{day}T{minute or '00:00'}:{second or '00'}.{(fraction or '')[:3]:0<3}"
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
        return to_text(moment - _offset(zone))
    except (ValueError, OverflowError):
        return ""


def _offset(zone: str | None) -> timedelta:
    if not zone or zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    return (1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes)


def to_text(moment: datetime) -> str:
    """Return a moment as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_moment(text: str) -> datetime:
    """Return the moment that `to_text` made a text of."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def earlier(value: str, by: timedelta) -> str:
    """Return an instant, or an id, that lies so much earlier; an id without a time stays."""
    if _OBJECT_ID.fullmatch(value):
        return first_id(_back(id_moment(value), by))
    if _is_instant(value):
        return to_text(_back(to_moment(value), by))
    return value


def _back(moment: datetime, by: timedelta) -> datetime:
    """Return a moment so much earlier, but none before 1970: `by` may be any number of years."""
    return moment - by if moment - EARLIEST > by else min(moment, EARLIEST)


def at_most(value: str, moment: datetime) -> str:
    """Return an instant or an id, or the moment in its place where it lies beyond."""
    if _OBJECT_ID.fullmatch(value):
        return value if id_moment(value) <= moment else first_id(moment)
    if _is_instant(value):
        return min(value, to_text(moment))
    return value


def _is_instant(value: str) -> bool:
    return value != "" and instant(value) == value


def id_moment(object_id: str) -> datetime:
    """Return when an id was made: its first four bytes are the seconds since 1970."""
    return EARLIEST + timedelta(seconds=int(object_id[:8], 16))


def first_id(moment: datetime) -> str:
    """Return the least id made at a moment (to the second) or later."""
    seconds = int((moment - EARLIEST).total_seconds())
    return f"{min(max(seconds, 0), 0xFFFFFFFF):08x}{'0' * 16}"
