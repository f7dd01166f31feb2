"""Decides what a run reads of one list, in which order, and what the bookmark says afterwards.

Works on a bookmark (the stream's or a partition's part of STATE) and a scan. Two ways:

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

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment, to_text
from planhat_api.paging import CannotSortError, Cursor, OutOfOrderError, Position
from planhat_api.scan import scan
from tap_planhat.instants import at_most, earlier, first_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from datetime import datetime

    from planhat_api.paging import Page, PageRequest, Row, ScanBatch

    Bookmark = Mapping[str, Any]

CLOCK_MARGIN = timedelta(minutes=1)
"""How much the clocks of Planhat's hosts may differ."""

logger = logging.getLogger(__name__)


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
class SyncStep:
    """Rows to emit, and what the bookmark says once they are."""

    rows: Sequence[Row]
    bookmark: dict[str, Any]
    position: Position
    by_key: bool
    """Whether the position is in the order of the replication key."""


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
                gone.append(f"{name} {part.pop(name)!r}")
        for name in ("full_table", "full_sync", "reading"):
            began = (part.get(name) or {}).get("began")
            if began is not None and not _is_possible(began, latest, by_id=False):
                gone.append(f"{name}.began {began!r}")
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


def read(
    spec: ListSpec,
    bookmark: Bookmark,
    settings: ReadSettings,
    fetch: Callable[[PageRequest], Page],
    plan: ReadPlan,
) -> Iterator[SyncStep]:
    """Read a list as planned.

    Args:
        spec: The list.
        bookmark: What the last run left.
        settings: The settings.
        fetch: Answers requests for pages of the list.
        plan: The plan.

    Yields:
        Steps; the last one holds the bookmark of a finished reading.

    Raises:
        ScanError: The list cannot be read safely in any way.
    """
    if plan.by_key:
        try:
            yield from _by_key(spec, bookmark, settings, fetch, plan)
        except CannotSortError as error:
            if spec.date_key == "_id":
                raise
            logger.warning("%s: %s; reading the whole list by _id instead", spec.name, error)
            disproved = isinstance(error, OutOfOrderError)
            since = plan.believed if disproved else plan.since
            plan = replace(plan, by_key=False, start=Position(), since=since)
        else:
            return
    yield from _by_id(spec, bookmark, settings, fetch, plan)


def _id_order(spec: ListSpec) -> Cursor:
    return Cursor("_id", _comparable_id, spec.identity, spec.unique_ids)


def _comparable_id(row: Row) -> str | None:
    found = row.get("_id")
    if isinstance(found, str):
        return found
    return "" if found is None else None


def _by_key(
    spec: ListSpec,
    bookmark: Bookmark,
    settings: ReadSettings,
    fetch: Callable[[PageRequest], Page],
    plan: ReadPlan,
) -> Iterator[SyncStep]:
    order = (
        _id_order(spec)
        if spec.date_key == "_id"
        else Cursor(spec.date_key, spec.key_of, spec.identity, unique=False)
    )
    # Only where the key does not show edits does it matter that it was a full sync.
    progress = plan.full and not spec.shows_edits
    state = _without_progress(bookmark)
    position = plan.start
    known = max(plan.since, known_value(spec, bookmark))
    for batch in _scanned(order, settings, fetch, plan):
        position = batch.position
        reached = at_most(position.value, settings.now)
        if spec.key and reached > known:
            known = reached
            state |= {
                "replication_key": spec.key,
                "replication_key_value": reached,
                "offset": position.offset,
            }
        if progress and position.value:
            state["reading"] = _progress(spec, plan, position, "")
        yield SyncStep(batch.rows, dict(state), position, by_key=True)
    finished = _finished(spec, state, plan if progress else None)
    yield SyncStep((), finished, position, by_key=True)


def _by_id(
    spec: ListSpec,
    bookmark: Bookmark,
    settings: ReadSettings,
    fetch: Callable[[PageRequest], Page],
    plan: ReadPlan,
) -> Iterator[SyncStep]:
    newest, position = plan.newest, plan.start
    state = _without_progress(bookmark)
    order = _id_order(spec)
    for batch in _scanned(order, settings, fetch, plan):
        position = batch.position
        keys = list(map(spec.key_of, batch.rows))
        # A later key is a wrong date, or a change that the next run will see.
        newest = max((newest, *(key for key in keys if key <= plan.began)))
        rows = [
            row
            for row, key in zip(batch.rows, keys, strict=True)
            if (key >= plan.since if key else plan.undated)
        ]
        if position.value:
            state["reading"] = _progress(spec, plan, position, newest)
        yield SyncStep(rows, dict(state), position, by_key=False)
    if spec.key and newest > known_value(spec, bookmark):
        state |= {"replication_key": spec.key, "replication_key_value": newest}
    if spec.key and not spec.by_id and plan.since <= plan.believed:
        state["by_id_to"] = newest
    state.pop("offset", None)
    finished = _finished(spec, state, plan if plan.full else None)
    yield SyncStep((), finished, position, by_key=False)


def _scanned(
    order: Cursor, settings: ReadSettings, fetch: Callable[[PageRequest], Page], plan: ReadPlan
) -> Iterator[ScanBatch]:
    limit, widest = settings.limit, settings.widest
    return scan(
        fetch,
        order,
        limit=limit,
        widest=widest,
        start=plan.start,
        undated=plan.undated,
        gives=plan.gives,
    )


def _progress(spec: ListSpec, plan: ReadPlan, position: Position, newest: str) -> dict[str, Any]:
    return {
        "key": spec.key,
        "whole": plan.full,
        "began": plan.began,
        "since": plan.since,
        "last": position.value,
        "offset": position.offset,
        "newest": newest,
    }


def _without_progress(bookmark: Bookmark) -> dict[str, Any]:
    return {name: value for name, value in bookmark.items() if name != "reading"}


def _finished(spec: ListSpec, state: Bookmark, full: ReadPlan | None) -> dict[str, Any]:
    finished = _without_progress(state)
    if spec.key is not None and finished.get("replication_key") != spec.key:
        # No row has it; that the list was read is known all the same.
        finished["replication_key"] = spec.key
        finished.pop("replication_key_value", None)
        finished.pop("offset", None)
    if full is not None:
        finished["full_read_at"] = full.began
    return finished
