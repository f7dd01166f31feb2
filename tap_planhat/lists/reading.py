"""Reads one list as planned, and says after each batch what the bookmark is then.

Knows no HTTP and no Singer messages.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planhat_api.paging import CannotSortError, Cursor, OutOfOrderError, Position
from planhat_api.scan import scan
from tap_planhat.instants import at_most
from tap_planhat.lists.bookmark import known_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from planhat_api.paging import Page, PageRequest, Row, ScanBatch
    from tap_planhat.lists.bookmark import Bookmark, ListSpec, ReadPlan, ReadSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SyncStep:
    """Rows to emit, and what the bookmark says once they are."""

    rows: Sequence[Row]
    bookmark: dict[str, Any]
    position: Position
    by_key: bool
    """Whether the position is in the order of the replication key."""


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
