"""Decides what a run reads of one list, and in which order, by the bookmark of the last run.

A bookmark is the stream's or a partition's part of STATE. `reading.py` carries the plan out, in one
of two ways:

- *by key*: the list is sorted by the replication key, and the bookmark moves with every batch;
- *by id*: the list is sorted by `_id` and the replication key compared here. The bookmark moves
  only at the end, to no later than the beginning of the sync; until then `reading` keeps the
  progress. This way is for NPS, streams without a replication key, and lists that turn out not to
  be sorted by theirs. Such a list is read again from `start_date`, or from `by_id_to`, up to where
  it was read by id before: what was read of it by key cannot be relied on.

The first sync of a list is a *full* one; one that repeats it is a rescan. Knows no HTTP and no
Singer messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment, to_text
from planhat_api.paging import Position
from planhat_api.redact import shown
from tap_planhat.instants import at_most, earlier, first_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from datetime import datetime

    from planhat_api.paging import Row

    Bookmark = Mapping[str, Any]

CLOCK_MARGIN = timedelta(minutes=1)
"""How much the clocks of Planhat's hosts may differ."""


@dataclass(frozen=True)
class ListSpec:
    """A list, and how its rows compare."""

    name: str
    key: str | None
    """The replication key; None: everything is read every time."""
    date_key: str
    """The property that `start_date` is about; the replication key where there is one."""
    key_of: Callable[[Row], str]
    """A row's value of `date_key`, comparable as text; "" where it has none."""
    identity: Callable[[Row], str]
    unique_ids: bool
    """Whether each `_id` is in the list once."""
    by_id: bool
    """Whether the list cannot be sorted by its key."""
    shows_edits: bool
    """Whether the key grows when a record is edited."""


@dataclass(frozen=True)
class ReadSettings:
    """The settings a sync keeps to."""

    now: datetime
    """When the sync began."""
    limit: int
    widest: int
    lookback: timedelta
    rescan_after: timedelta | None
    """Age of the last full sync or rescan at which a rescan is due; None: never."""
    start_date: datetime | None = None


@dataclass(frozen=True)
class ReadPlan:
    """What a run reads of a list."""

    since: str
    """Rows with a smaller key are left out; "": none are."""
    believed: str
    """The same, in case the list turns out not to be sorted by its key."""
    full: bool
    """Whether everything is read: a full sync or a rescan."""
    by_key: bool
    began: str
    """When the reading began, perhaps in an earlier run."""
    start: Position
    """Where in the list's order to begin."""
    newest: str = ""
    """The greatest key before `began` that an interrupted run has read."""
    undated: bool = True
    """Whether rows without a key are emitted too."""
    gives: int = 0
    """Rows that a page of the list is known to hold; 0: not known."""


def discard_impossible(bookmark: MutableMapping[str, Any], now: datetime) -> list[str]:
    """Remove moments from a bookmark that are invalid or in the future: a clock was wrong.

    Args:
        bookmark: A stream's, with those of its lists.
        now: The present moment, by Planhat's clock.

    Returns:
        What was removed, in words.
    """
    latest = now + CLOCK_MARGIN
    gone = []
    for part in (bookmark, *bookmark.get("partitions", ())):
        for name in ("full_read_at", "by_id_to", "moved_back_since", "replication_key_value"):
            value = part.get(name)
            by_id = name == "replication_key_value" and part.get("replication_key") == "_id"
            if value is not None and not _is_possible(value, latest, by_id=by_id):
                gone.append(f"{name} {shown(part.pop(name))}")
        for name in ("full_table", "full_sync", "reading"):
            began = (part.get(name) or {}).get("began")
            if began is not None and not _is_possible(began, latest, by_id=False):
                gone.append(f"{name}.began {shown(began)}")
                del part[name]
    return gone


def _is_possible(value: object, latest: datetime, *, by_id: bool) -> bool:
    if not isinstance(value, str):
        return False
    if not by_id:
        value = instant(value)
    return value != "" and at_most(value, latest) == value


def part_of(
    bookmark: MutableMapping[str, Any], context: Mapping[str, str]
) -> MutableMapping[str, Any]:
    """Return a list's part of a stream's bookmark; made if it is missing."""
    if not context:
        return bookmark
    partitions: list[dict[str, Any]] = bookmark.setdefault("partitions", [])
    for part in partitions:
        if part["context"] == context:
            return part
    partitions.append({"context": dict(context)})
    return partitions[-1]


def plan_read(spec: ListSpec, bookmark: Bookmark, settings: ReadSettings) -> ReadPlan:
    """Decide what to read, from the bookmark and the settings."""
    start, known = _start(spec, settings), known_value(spec, bookmark)
    by_id_to = (bookmark.get("by_id_to") or "") if known else ""
    believed = max(start, earlier(by_id_to, settings.lookback))
    unfinished = bookmark.get("reading") or {}
    if unfinished.get("key") == spec.key and "last" in unfinished:
        by_key, began = spec.date_key == "_id", unfinished["began"]
        last = unfinished["last"]
        if by_key:
            # Ids assigned out of order may have come in behind it since.
            last = at_most(last, to_moment(began) - settings.lookback)
        return ReadPlan(
            since=unfinished["since"],
            believed=believed,
            full=unfinished["whole"],
            by_key=by_key,
            began=began,
            start=Position(last, offset=unfinished.get("offset")),
            newest=unfinished.get("newest", ""),
        )
    full = not known or (not spec.shows_edits and is_due(bookmark, settings))
    since = start if full else max(start, earlier(known, settings.lookback))
    by_key = spec.date_key == "_id" or (spec.key is not None and not spec.by_id)
    hint = bookmark.get("offset") if by_key and not full else None
    return ReadPlan(
        since=since,
        believed=believed,
        full=full,
        by_key=by_key,
        began=to_text(settings.now),
        start=Position(since, offset=hint) if by_key else Position(),
    )


def known_value(spec: ListSpec, bookmark: Bookmark) -> str:
    """Return the bookmark's value; "" if it has none of this replication key."""
    value = bookmark.get("replication_key_value")
    if not spec.key or spec.key != bookmark.get("replication_key"):
        return ""
    if not isinstance(value, str):
        return ""
    return value if spec.date_key == "_id" else instant(value)


def was_read(key: str | None, bookmark: Bookmark) -> bool:
    """Return whether a list was read to its end by this replication key before, or to some row."""
    return key is not None and bookmark.get("replication_key") == key


def is_due(bookmark: Bookmark, settings: ReadSettings) -> bool:
    """Return whether the last full sync or rescan is so long ago that a rescan is due."""
    if settings.rescan_after is None:
        return False
    last = instant(bookmark.get("full_read_at"))
    return not last or settings.now - to_moment(last) >= settings.rescan_after


def _start(spec: ListSpec, settings: ReadSettings) -> str:
    if settings.start_date is None:
        return ""
    return first_id(settings.start_date) if spec.date_key == "_id" else to_text(settings.start_date)
