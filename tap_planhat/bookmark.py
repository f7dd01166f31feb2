"""What a run reads of one list, in which order, and what the bookmark says afterwards.

Works on a bookmark (the stream's or a partition's part of STATE) and a scan. Two ways:

- *along* the replication key: the list is sorted by it, and the bookmark moves with every batch;
- *by id*: the list is sorted by `_id` and the replication key compared here. The bookmark moves
  at the end only, to no later than the beginning of the reading; until then `reading` holds how
  far it came. So are read: NPS, streams without a replication key, and lists that turn out not to
  be sorted by theirs.

A reading from the beginning of the stream is *whole*. Knows no HTTP and no Singer messages.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment, to_text
from planhat_api.scan import CannotSortError, Cursor, Position, scan
from tap_planhat.instants import at_most, earlier, first_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from planhat_api.scan import Page, PageRequest

    Row = dict[str, Any]
    Bookmark = Mapping[str, Any]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListSource:
    """A list as it can be read."""

    name: str
    key: str | None
    """The replication key; None: everything is read every time."""
    date_key: str
    """The property `start_date` speaks of; the replication key where there is one."""
    key_of: Callable[[Row], str]
    """A row's value of `date_key`, comparable as text; "" where it has none."""
    identity: Callable[[Row], str]
    unique_ids: bool
    """No two rows of the list share an `_id`."""
    by_id: bool
    """The list cannot be sorted by its key."""
    shows_edits: bool
    """The key grows when a record is edited."""


@dataclass(frozen=True)
class ReadSettings:
    """The settings a reading keeps to."""

    now: datetime
    """When the run began."""
    limit: int
    widest: int
    start_date: datetime | None = None
    lookback: timedelta = timedelta(minutes=10)
    rescan_after: timedelta | None = timedelta(days=1)
    """Age of the last whole reading at which another is due; None: never."""


@dataclass(frozen=True)
class SyncStep:
    """Rows to emit, and what the bookmark says once they are."""

    rows: Sequence[Row]
    bookmark: dict[str, Any]
    position: Position
    along: bool
    """The position is one in the order of the replication key."""


@dataclass(frozen=True)
class ReadPlan:
    """What a run reads of a list."""

    since: str
    """Rows whose key is less are not wanted; "": all are."""
    whole: bool
    along: bool
    began: str
    """When the reading began, perhaps in an earlier run."""
    start: Position
    """Where in the list's order to begin."""
    newest: str = ""
    """The greatest key, of those before it began, that an interrupted reading has come across."""


def plan(source: ListSource, bookmark: Bookmark, terms: ReadSettings) -> ReadPlan:
    """Decide what to read, from the bookmark and the settings."""
    unfinished = bookmark.get("reading") or {}
    if unfinished.get("key") == source.key and "last" in unfinished:
        along, began = source.date_key == "_id", unfinished["began"]
        last = unfinished["last"]
        if along:
            # Ids minted out of order may have come in behind it since.
            last = at_most(last, to_moment(began) - terms.lookback)
        return ReadPlan(
            since=unfinished["since"],
            whole=unfinished["whole"],
            along=along,
            began=began,
            start=Position(last, offset=unfinished.get("offset")),
            newest=unfinished.get("newest", ""),
        )
    known = _known(source, bookmark)
    whole = not known or _rescan_is_due(source, bookmark, terms)
    since = _start(source, terms)
    if not whole:
        since = max(since, earlier(known, terms.lookback))
    along = source.date_key == "_id" or (source.key is not None and not source.by_id)
    hint = bookmark.get("offset") if along and not whole else None
    return ReadPlan(
        since=since,
        whole=whole,
        along=along,
        began=to_text(terms.now),
        start=Position(since, offset=hint) if along else Position(),
    )


def _known(source: ListSource, bookmark: Bookmark) -> str:
    """Return the bookmark's value; "" where there is none, or one of another replication key."""
    value = bookmark.get("replication_key_value")
    if not source.key or source.key != bookmark.get("replication_key"):
        return ""
    if not isinstance(value, str):
        return ""
    return value if source.date_key == "_id" else instant(value)


def _rescan_is_due(source: ListSource, bookmark: Bookmark, terms: ReadSettings) -> bool:
    if source.shows_edits or terms.rescan_after is None:
        return False
    last = instant(bookmark.get("full_read_at"))
    return not last or terms.now - to_moment(last) >= terms.rescan_after


def _start(source: ListSource, terms: ReadSettings) -> str:
    if terms.start_date is None:
        return ""
    return first_id(terms.start_date) if source.date_key == "_id" else to_text(terms.start_date)


def read(
    source: ListSource,
    bookmark: Bookmark,
    terms: ReadSettings,
    fetch: Callable[[PageRequest], Page],
    todo: ReadPlan,
) -> Iterator[SyncStep]:
    """Read a list as planned.

    Args:
        source: The list.
        bookmark: What the last run left.
        terms: The settings.
        fetch: Answers requests for pages of the list.
        todo: The plan.

    Yields:
        Steps; the last one holds the bookmark of a finished reading.

    Raises:
        ScanError: The list cannot be read safely in any way.
    """
    if todo.along:
        try:
            yield from _along(source, bookmark, terms, fetch, todo)
        except CannotSortError as error:
            if source.date_key == "_id":
                raise
            logger.warning("%s: %s; reading the whole list by _id instead", source.name, error)
            todo = replace(todo, along=False, start=Position())
        else:
            return
    yield from _by_id(source, bookmark, terms, fetch, todo)


def _id_order(source: ListSource) -> Cursor:
    return Cursor("_id", lambda row: row.get("_id") or "", source.identity, source.unique_ids)


def _along(
    source: ListSource,
    bookmark: Bookmark,
    terms: ReadSettings,
    fetch: Callable[[PageRequest], Page],
    todo: ReadPlan,
) -> Iterator[SyncStep]:
    order = (
        _id_order(source)
        if source.date_key == "_id"
        else Cursor(source.date_key, source.key_of, source.identity, unique=False)
    )
    # Only where the key does not show edits does it matter that a reading was a whole one.
    progress = todo.whole and not source.shows_edits
    state = _without_progress(bookmark)
    position = todo.start
    known = max(todo.since, _known(source, bookmark))
    for batch in scan(fetch, order, limit=terms.limit, widest=terms.widest, start=todo.start):
        position = batch.position
        reached = at_most(position.value, terms.now)
        if source.key and reached > known:
            known = reached
            state |= {
                "replication_key": source.key,
                "replication_key_value": reached,
                "offset": position.offset,
            }
        if progress and position.value:
            state["reading"] = _progress(source, todo, position, "")
        yield SyncStep(batch.rows, dict(state), position, along=True)
    yield SyncStep((), _finished(state, todo if progress else None), position, along=True)


def _by_id(
    source: ListSource,
    bookmark: Bookmark,
    terms: ReadSettings,
    fetch: Callable[[PageRequest], Page],
    todo: ReadPlan,
) -> Iterator[SyncStep]:
    newest, position = todo.newest, todo.start
    state = _without_progress(bookmark)
    order = _id_order(source)
    for batch in scan(fetch, order, limit=terms.limit, widest=terms.widest, start=todo.start):
        position = batch.position
        keys = list(map(source.key_of, batch.rows))
        # What lies ahead of the reading is a wrong date, or a change that the next run will see.
        newest = max((newest, *(key for key in keys if key <= todo.began)))
        rows = [
            row for row, key in zip(batch.rows, keys, strict=True) if not key or key >= todo.since
        ]
        if position.value:
            state["reading"] = _progress(source, todo, position, newest)
        yield SyncStep(rows, dict(state), position, along=False)
    if source.key and newest > _known(source, bookmark):
        state |= {"replication_key": source.key, "replication_key_value": newest}
    state.pop("offset", None)
    yield SyncStep((), _finished(state, todo if todo.whole else None), position, along=False)


def _progress(
    source: ListSource, todo: ReadPlan, position: Position, newest: str
) -> dict[str, Any]:
    return {
        "key": source.key,
        "whole": todo.whole,
        "began": todo.began,
        "since": todo.since,
        "last": position.value,
        "offset": position.offset,
        "newest": newest,
    }


def _without_progress(bookmark: Bookmark) -> dict[str, Any]:
    return {name: value for name, value in bookmark.items() if name != "reading"}


def _finished(state: Mapping[str, Any], whole: ReadPlan | None) -> dict[str, Any]:
    finished = _without_progress(state)
    if whole is not None:
        finished["full_read_at"] = whole.began
    return finished
