"""Values of bookmarks, moved in time: instants (`planhat_api.dates`), and ids that carry one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from planhat_api.dates import instant, to_moment, to_text

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)


def earlier(value: str, by: timedelta) -> str:
    """Return an instant, or an id, that lies so much earlier; an id without a time stays."""
    if _OBJECT_ID.fullmatch(value):
        return first_id(_back(id_moment(value), by))
    if _is_instant(value):
        return to_text(_back(to_moment(value), by))
    return value


def _back(moment: datetime, by: timedelta) -> datetime:
    """Return a moment so much earlier, at least 1970: `by` may be any number of years."""
    return moment - by if moment - EARLIEST > by else min(moment, EARLIEST)


def at_most(value: str, moment: datetime) -> str:
    """Return an instant or an id, but no later than a moment."""
    if _OBJECT_ID.fullmatch(value):
        return value if id_moment(value) <= moment else first_id(moment)
    if _is_instant(value):
        return min(value, to_text(moment))
    return value


def day_of(value: str) -> str:
    """Return the day of an instant, or the one on which an id was made; "" for others."""
    if _OBJECT_ID.fullmatch(value):
        return to_text(id_moment(value))[:10]
    return value[:10] if _is_instant(value) else ""


def _is_instant(value: str) -> bool:
    return value != "" and instant(value) == value


def is_object_id(value: str) -> bool:
    """Return whether a text is an id that carries its moment, and compares like it."""
    return _OBJECT_ID.fullmatch(value) is not None and value == value.lower()


def id_moment(object_id: str) -> datetime:
    """Return when an id was made: its first four bytes are the seconds since 1970."""
    return EARLIEST + timedelta(seconds=int(object_id[:8], 16))


def first_id(moment: datetime) -> str:
    """Return the least id made at a moment (to the second) or later."""
    seconds = int((moment - EARLIEST).total_seconds())
    return f"{min(max(seconds, 0), 0xFFFFFFFF):08x}{'0' * 16}"
