"""One sync of a stream: its lists one after the other, each with its own bookmark.

Puts the parts together: state, lists, shape and inventory. How a list is read is decided in
`lists/bookmark.py`, `lists/reading.py` and `scan.py`, what is emitted of it in `inventory`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from planhat_api.dates import to_text
from planhat_api.paging import PageRequest, Position
from tap_planhat.instants import at_most, earlier, is_object_id
from tap_planhat.inventory.full import full_sync, full_table
from tap_planhat.inventory.look import SecondLook
from tap_planhat.lists.bookmark import (
    CLOCK_MARGIN,
    ReadPlan,
    discard_impossible,
    is_due,
    known_value,
    part_of,
    plan_read,
    was_read,
)
from tap_planhat.lists.lists import Lists
from tap_planhat.lists.reading import read
from tap_planhat.progress import Progress
from tap_planhat.sdk import RecordBatch
from tap_planhat.spec import DELETIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from datetime import datetime

    from planhat_api.client import PlanhatClient
    from planhat_api.paging import Page, Row
    from tap_planhat.inventory.full import FullSync
    from tap_planhat.inventory.notes import Notes
    from tap_planhat.lists.bookmark import ListSpec
    from tap_planhat.lists.reading import SyncStep
    from tap_planhat.shape import Shape
    from tap_planhat.spec import StreamSpec

    Bookmark = MutableMapping[str, Any]

MOST_TAILS = 20
"""Most times that the ends of lists are read again: rows may change faster than they are read."""

ANY_DATE = "0"
"""Lies before every date, and behind the rows that have none."""

logger = logging.getLogger("tap-planhat")


@dataclass
class StreamSync:
    """One sync of a stream."""

    spec: StreamSpec
    key: str | None
    """The replication key; None: the full table is read."""
    shape: Shape
    """Makes records of rows."""
    client: PlanhatClient
    config: Mapping[str, Any]
    bookmark: Bookmark
    """The stream's part of STATE; brought up to date as batches are committed."""
    open_notes: Callable[[Mapping[str, Any] | None], Notes] | None = None
    """Opens the inventory that STATE names; None: none is kept, and a rescan emits everything."""
    names_deleted: bool = False
    """Whether the stream `deletions` is selected."""

    def __post_init__(self) -> None:
        """Ask for nothing yet."""
        self.resource = self.spec.resource
        self.progress = Progress(self.resource.name)
        learned = self.bookmark.get("select") or ()
        self.lists = Lists(
            self.spec, self.key, self.client, shape=self.shape, config=self.config, learned=learned
        )
        self.order = self.lists.order
        self.full: FullSync | None = None
        self.notes: Notes | None = None
        self.undated = False
        """Whether any row lacked the replication key."""

    def _now(self) -> datetime:
        """Return the present moment by Planhat's clock, and remove later moments from STATE."""
        if not self.client.clock.heard:
            filters = self.spec.lists[0]
            known = known_value(self.order, self._part(filters)) != ""
            self.lists.ask_time(filters, known=known, full=not any(self._were_read()))
        now = self.client.clock.now()
        if gone := discard_impossible(self.bookmark, now):
            logger.warning(
                "%s: STATE holds moments that cannot be, or lie in the future: %s. They count as "
                "none, so that more is read than usual",
                self.resource.name,
                ", ".join(gone),
            )
        return now

    def batches(self) -> Iterator[RecordBatch]:
        """Read the stream's lists, one after the other.

        Yields:
            Records, and what brings the bookmark to behind them.

        Raises:
            PlanhatError: A page could not be had.
            ScanError: A list changes faster than it can be read.
            ShapeError: A row cannot become a record.
            InventoryError: What is emitted cannot be noted.
        """
        calls = self.client.calls.total()
        self.settings = self.lists.settings(self._now())
        start = self.settings.start_date
        if start is not None and start > self.settings.now:
            logger.warning("%s: start_date lies in the future: nothing is read", self.resource.name)
        if self.open_notes is not None:
            self.notes = self.open_notes(self.bookmark.get("inventory"))
        try:
            self._begin()
            yield from self._lists()
            if self.full is not None:
                yield from self._end(self.full)
            if self.notes is not None:
                self.bookmark["inventory"] = self.notes.saved()
            self._tell_end(calls)
        finally:
            if self.notes is not None:
                self.notes.close()

    def _tell_end(self, calls: int) -> None:
        kind = "incremental sync" if self.full is None else self.full.kind
        reached = dict.fromkeys(value for value in self._values() if value)
        self.progress.end(kind, self.client.calls.total() - calls, " and ".join(reached))

    def _begin(self) -> None:
        """Decide whether all lists are read from their beginning, and open what was noted."""
        now = self.settings.now
        if self.key is None:
            self.full = full_table(self.bookmark, now)
        else:
            hidden = self.key != "updatedAt" or self.bookmark.get("undated")
            due = bool(hidden or self.names_deleted) and is_due(self.bookmark, self.settings)
            known = self._were_read()
            # A list more than before: what an inventory knows is that of all of them.
            due = due or not all(known)
            self.full = full_sync(self.bookmark, self.key, now, read_before=any(known), due=due)
        if self.full is None:
            return
        if self.notes is not None and not self.notes.begin(
            to_text(self.full.began),
            resumed=self.full.resumed and "inventory" in self.bookmark,
            everything=not self.full.rescan,
        ):
            self.full = self.full.begin_anew(self.bookmark, now)
        self.settings = replace(self.settings, now=self.full.began, rescan_after=timedelta())
        self.lists.learn()
        if self.full.rescan:
            self.order = replace(self.order, by_id=True, shows_edits=False)
        if self.key == "updatedAt" and not self.full.resumed:
            self.bookmark["undated"] = False

    def _lists(self) -> Iterator[RecordBatch]:
        """Read the lists, then what may have moved between them meanwhile, then what is new."""
        moving = self.lists.moving
        since = to_text(self.settings.now)
        if moving is not None:
            # If the last passes are cut short, the next run's have to look as far back.
            since = self.bookmark.setdefault("moved_back_since", since)
        reached: list[Position | None] = []
        before, empty = self._values(), []
        # What the last run read ends about there in any order.
        offsets = [self._part(filters).get("offset") for filters in self.spec.lists]
        for filters in self.spec.lists:
            position = None
            if self._is_empty(filters):
                empty.append(filters)
            elif not self._is_done(self._part(filters)) and self._may_show_key(filters):
                for step, batch in self._pass(self.order, filters, self._plan(filters)):
                    position = step.position if step.by_key else None
                    yield batch
            reached.append(position)
        # Rows that moved unseen have keys beyond the bookmark: the next run reads them.
        quiet = self.full is None and self.key == "updatedAt" and before == self._values()
        if moving is not None and not quiet:
            yield from self._tails(moving, reached, since)
        self.bookmark.pop("moved_back_since", None)
        if self.full is None and self.key == "updatedAt":
            for filters, offset in zip(self.spec.lists, offsets, strict=True):
                if filters not in empty:
                    yield from self._newcomers(filters, offset)

    def _is_empty(self, filters: Mapping[str, str]) -> bool:
        """Return whether a list in which no row has been found yet still has none."""
        part = self._part(filters)
        if self.full is not None or known_value(self.order, part) or part.get("last_id"):
            return False
        return not self._looked_at(filters, PageRequest("_id", 0, 1, probe=True))

    def _may_show_key(self, filters: Mapping[str, str]) -> bool:
        """Return whether a list of rows without the key may have got one that has it."""
        part = self._part(filters)
        only_undated = part.get("last_id") and not known_value(self.order, part)
        if self.full is not None or self.key != "updatedAt" or not only_undated:
            return True
        look = PageRequest(f"-{self.order.date_key}", 0, 1, probe=True)
        return any(map(self.order.key_of, self._looked_at(filters, look)))

    def _looked_at(self, filters: Mapping[str, str], request: PageRequest) -> Sequence[Row]:
        pages = self.lists.pages(self.lists.query(filters), ids_only=True)
        try:
            return self.lists.fetch(pages)(request).rows
        finally:
            pages.close()

    def _part(self, filters: Mapping[str, str]) -> Bookmark:
        return part_of(self.bookmark, {**self.lists.companies.context, **filters})

    def _were_read(self) -> list[bool]:
        """Return whether each list was read before, to its end or to some row."""
        return [was_read(self.key, self._part(filters)) for filters in self.spec.lists]

    def _values(self) -> list[str]:
        """Return the bookmarks' values, by list."""
        return [known_value(self.order, self._part(filters)) for filters in self.spec.lists]

    def _is_done(self, bookmark: Bookmark) -> bool:
        """Return whether an interrupted full sync has finished this list."""
        began = to_text(self.settings.now)
        is_read = "reading" not in bookmark and bookmark.get("full_read_at") == began
        return self.full is not None and self.full.resumed and is_read

    def _plan(self, filters: Mapping[str, str]) -> ReadPlan:
        """Return what to read of a list; whether it is read in full is decided for the stream."""
        now, full = to_text(self.settings.now), self.full is not None
        bookmark = {**self._part(filters), "full_read_at": None if full else now}
        reading = bookmark.get("reading") or {}
        if reading.get("whole") is not full or (full and reading.get("began") != now):
            bookmark.pop("reading", None)
        plan = plan_read(self.order, bookmark, self.settings)
        if full:
            return plan
        if self.spec.window is not None:
            return replace(plan, full=False, gives=bookmark.get("page_rows", 0))
        if self.key != "updatedAt" or "last_id" not in bookmark:
            return replace(plan, full=False)
        # Rows without the key come first; new ones are for `_newcomers`.
        value = plan.start.value or (ANY_DATE if bookmark["last_id"] else "")
        return replace(
            plan, full=False, undated=False, start=replace(plan.start, value=value, lowest="")
        )

    def _tails(
        self, moving: ListSpec, reached: Sequence[Position | None], since: str
    ) -> Iterator[RecordBatch]:
        """Read the end of each list again until none has new rows: rows move between lists.

        Args:
            moving: The order in which rows that moved come last.
            reached: By list, how far it has been read; None: not in any order, or another run's.
            since: When the first list began to be read.
        """
        keeps = self.key == moving.key
        began = to_text(self.settings.now)
        first = Position(earlier(since, max(self.settings.lookback, CLOCK_MARGIN)))
        # Those of a list that was read by the same key have been looked at, and so has its order.
        positions = [
            replace(position, lowest=position.lowest or "")
            if keeps and position is not None and position.value
            else first
            for position in reached
        ]
        quiet = 0
        for turn in range(MOST_TAILS):
            number = turn % len(positions)
            start, filters = positions[number], self.spec.lists[number]
            bookmark = self._part(filters)
            believed = plan_read(moving, bookmark, self.settings).believed if keeps else start.value
            plan = ReadPlan(
                since=start.value,
                believed=believed,
                full=False,
                by_key=True,
                began=began,
                start=start,
                undated=False,
            )
            quiet += 1
            empty = self._is_empty(filters)
            for step, batch in () if empty else self._pass(moving, filters, plan):
                if step.by_key:
                    positions[number] = step.position
                    quiet = 0 if batch.records else quiet
                yield batch if keeps else replace(batch, commit=None)
            if quiet == len(positions):
                return

    def _newcomers(self, filters: Mapping[str, str], offset: int | None) -> Iterator[RecordBatch]:
        """Read the end of a list by `_id`, for new rows that its key would not show."""
        last = str(self._part(filters).get("last_id") or "")
        start = Position(last, frozenset({last}) if last else frozenset(), offset)
        began = to_text(self.settings.now)
        plan = ReadPlan(since="", believed="", full=False, by_key=True, began=began, start=start)
        for _, batch in self._pass(self.lists.by_id, filters, plan, newcomers=True):
            yield batch

    def _pass(
        self,
        order: ListSpec,
        filters: Mapping[str, str],
        plan: ReadPlan,
        *,
        newcomers: bool = False,
    ) -> Iterator[tuple[SyncStep, RecordBatch]]:
        """Read one list; the bookmark follows as batches are committed."""
        bookmark = self._part(filters)
        pages = self.lists.pages(self.lists.query(filters, plan.since))
        fetch = self.lists.fetch(pages)
        last_id = newest = str(bookmark.get("last_id") or "")
        most, id_of = 0, self.order.identity
        self.progress.begin_list(_length(bookmark) if plan.full else 0)
        try:
            if self.key == "updatedAt" and plan.by_key and plan.undated and not newcomers:
                # Rows without the key come first: those that come later are for `_newcomers`.
                last_id = _greatest_id(fetch)
            for step in read(order, dict(bookmark), self.settings, fetch, plan):
                rows = self.lists.companies.wanted(step.rows)
                if newcomers and known_value(self.order, bookmark):
                    rows = [row for row in rows if not self.order.key_of(row)]
                if self.key == "updatedAt":
                    # Sorted by their key, those without it come first.
                    is_sorted = step.by_key and order.date_key == self.key
                    looked_at = rows[:1] if is_sorted else rows
                    self.undated = self.undated or not all(map(self.order.key_of, looked_at))
                    last_id = step.position.value if newcomers or not step.by_key else last_id
                    step.bookmark["last_id"] = last_id
                if self.spec.window is not None:
                    ids = {id_of(row) for row in rows if not self.order.key_of(row)}
                    undated = set(filter(is_object_id, ids))
                    known = {row_id for row_id in undated if row_id <= last_id}
                    newest = max((newest, *undated))
                    if self.full:
                        step.bookmark["page_rows"] = most = max(most, len(step.rows))
                    elif known:
                        # New ones come by the run that finds them, edited ones by the rescan.
                        rows = [row for row in rows if id_of(row) not in known]
                batch = self._batch(rows, partial(self._commit, bookmark, step.bookmark))
                self.progress.add(len(batch.records), step.position.value, step.position.offset)
                yield step, batch
            if self.spec.window is not None and self.key is not None and newest:
                bookmark["last_id"] = at_most(newest, self.settings.now)
        finally:
            pages.close()

    def _commit(self, bookmark: Bookmark, after: Mapping[str, Any]) -> None:
        bookmark.clear()
        bookmark.update(after)
        if self.undated:
            self.bookmark["undated"] = True
        if self.full is not None and self.lists.learned:
            self.bookmark["select"] = self.lists.learned
        if self.notes is not None:
            self.bookmark["inventory"] = self.notes.saved()

    def _batch(self, rows: Sequence[Row], commit: Callable[[], None]) -> RecordBatch:
        """Return the records to emit, after they were noted in the inventory."""
        records = self.shape.records(rows)
        if self.notes is None:
            return RecordBatch(records, commit)
        emitted = self.notes.take(rows, records)
        # The last step of a list has no rows.
        return RecordBatch(emitted, commit if self.notes.ready(anyway=not rows) else None)

    # The end of a full table, full sync or rescan.

    def _end(self, full: FullSync) -> Iterator[RecordBatch]:
        if self.notes is not None:
            look = SecondLook(self.spec, self.lists, self.client, self.order, self.settings)
            if gone := look.deleted(self.notes, names=self.names_deleted):
                yield RecordBatch((), None, others={DELETIONS: gone})
        elif full.rescan:
            logger.info(
                "%s: the rescan emitted all of its rows; with the setting inventory_path, only "
                "those that changed would have been",
                self.resource.name,
            )
        if not self.lists.learned:
            self.bookmark.pop("select", None)
        full.finish(self.bookmark)


def _greatest_id(fetch: Callable[[PageRequest], Page]) -> str:
    rows = fetch(PageRequest("-_id", 0, 1, probe=True)).rows
    return str(rows[0].get("_id") or "") if rows else ""


def _length(bookmark: Mapping[str, Any]) -> int:
    """Return how many rows a list had when it was last read to its end; 0: it is not known."""
    offset = bookmark.get("offset")
    return offset + 1 if type(offset) is int else 0
