"""Reads dates: those of records and settings (ISO 8601), and those of HTTP headers.

An instant is a date in the one form in which text compares like time, which is also how Planhat
writes its dates: UTC with milliseconds, `2021-07-29T15:29:34.330Z`.
"""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

# February and the months of 30 days are looked up in the calendar.
_INSTANT = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r" *(?:Z|z|UTC|GMT|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?)?"
)


def instant(value: object) -> str:
    """Return a date as an instant, cut to milliseconds; "" for what is not a date.

    Without a zone it is taken as UTC, without a time as midnight. A bare number is not a date:
    seconds and milliseconds cannot be told apart.

    >>> instant("2021-07-29 17:29:34.3309 +02:00")
    '2021-07-29T15:29:34.330Z'
    """
    try:
        if isinstance(value, str):
            return _read(value)
        if isinstance(value, datetime):
            known = value.utcoffset() is not None
            return to_text(value if known else value.replace(tzinfo=timezone.utc))
        return f"{value.isoformat()}T00:00:00.000Z" if isinstance(value, date) else ""
    except (ValueError, OverflowError):  # not a day of the calendar, or beyond the years 1 to 9999
        return ""


def _read(value: str) -> str:
    if _INSTANT.fullmatch(value):
        if value[8:10] > "28":
            datetime.fromisoformat(value[:-1])
        return value
    match = _ISO.fullmatch(value.strip())
    if not match:
        return ""
    day, minute, second, fraction, sign, *zone = match.groups()
    text = f"{day}T{minute or '00:00'}:{second or '00'}.{(fraction or '')[:3]:0<3}"
    east = timedelta(hours=int(zone[0] or 0), minutes=int(zone[1] or 0))
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return to_text(moment + east if sign == "-" else moment - east)


def to_text(moment: datetime) -> str:
    """Return a moment as an instant."""
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_moment(text: str) -> datetime:
    """Return the moment of an instant."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def http_moment(header: str | None) -> datetime | None:
    """Return the moment of an HTTP header such as `Date`; None for what is not a date."""
    try:
        moment = parsedate_to_datetime(header or "")
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment
    except (ValueError, OverflowError):
        return None


class ServerClock:
    """Tells the server's time by the `Date` of its answers: this machine's clock may be wrong."""

    def __init__(self) -> None:
        """Use this machine's clock until the first answer."""
        self.heard = False
        """Whether an answer has told the time."""
        self._set(datetime.now(timezone.utc))

    def learn(self, header: str | None) -> None:
        """Set the time from an answer's `Date`, if it has a valid one."""
        if (moment := http_moment(header)) is not None:
            self._set(moment)
            self.heard = True

    def now(self) -> datetime:
        """Return the server's time, in UTC, to the second; at most a call's duration behind."""
        moment, seen = self._seen
        return moment + timedelta(seconds=time.monotonic() - seen)

    def _set(self, moment: datetime) -> None:
        # One assignment: threads read it while others set it.
        self._seen = (moment.astimezone(timezone.utc), time.monotonic())
