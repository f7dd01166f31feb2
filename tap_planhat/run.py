"""One sync of a stream: its lists one after the other, each with its own bookmark.

Puts the parts together: state, lists, shape and progress. How a list is read is decided in
`bookmark.py` and `scan.py`, how lines are written in `writer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import takewhile
from math import ceil
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment, to_text
from planhat_api.pages import Pages
from planhat_api.rows import row_names
from planhat_api.scan import Position
from tap_planhat.bookmark import ListSpec, ReadPlan, ReadSettings, part_of, plan_read, read
from tap_planhat.instants import earlier
from tap_planhat.progress import Progress, count_rows
from tap_planhat.select import Select, names_to_ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence
    from datetime import datetime

    from planhat_api.client import PlanhatClient
    from tap_planhat.bookmark import SyncStep
    from tap_planhat.sdk import Batch
    from tap_planhat.shape import Shape
    from tap_planhat.spec import StreamSpec

    Bookmark = MutableMapping[str, Any]

ALL_AGES = 36_500
"""Days: a window that leaves out no NPS answer."""
MOST_UNDATED = 100_000
"""Rows without a date that are remembered, so as not to be emitted a second time."""
MOST_COMPANIES = 200
"""Companies in one filter: their ids make up the URL, which servers limit to some 8,000 bytes."""
CLOCK_MARGIN = timedelta(minutes=10)
"""By which the clocks of Planhat's hosts may differ."""


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

    def __post_init__(self) -> None:
        """Ask for nothing yet."""
        self.resource = self.spec.resource
        self.progress = Progress(self.resource.name)
        self.select = Select()
        self.order = self._list_spec(self.key or self.spec.keys[0], self.key)
        moves_back = self.spec.moves_back
        self.moving = self._list_spec(moves_back, moves_back) if moves_back else None
        self.undated: set[str] = set()

    def _list_spec(self, date_key: str, key: str | None) -> ListSpec:
        # The list's own name first, as in records.
        seen_as = sorted(row_names(self.resource, date_key), key=date_key.__eq__)
        id_property = self.resource.id_in_lists

        def key_of(row: Mapping[str, Any]) -> str:
            for name in seen_as:
                if row.get(name) is not None:
                    return instant(row[name])
            return ""

        def identity(row: Mapping[str, Any]) -> str:
            return str(row.get(id_property) or row.get("_id"))

        return ListSpec(
            name=self.resource.name,
            key=key,
            date_key=date_key,
            key_of=(lambda row: str(row.get("_id") or "")) if date_key == "_id" else key_of,
            identity=identity,
            unique_ids=self.spec.unique_ids,
            by_id=self.spec.window is not None,
            shows_edits=key == "updatedAt",
        )

    def _read_settings(self) -> ReadSettings:
        widest = self.resource.max_limit
        start_date = instant(self.config.get("start_date"))
        days = self.config["rescan_days"]
        return ReadSettings(
            now=self._began(),
            limit=min(widest, self.config.get("page_size") or widest),
            widest=widest,
            start_date=to_moment(start_date) if start_date else None,
            lookback=timedelta(minutes=self.config["lookback_minutes"]),
            rescan_after=timedelta(days=days) if days else None,
        )

    def _began(self) -> datetime:
        """Return when the sync began, by Planhat's clock; a full table's perhaps in another run."""
        if not self.client.clock.heard:
            query: dict[str, str | int] = {"sort": "_id", "limit": 1, "offset": 0, "select": "_id"}
            self.client.list_rows(self.resource, query)
        now = self.client.clock.now()
        if self.key is not None:
            # Left by a full table that was given up.
            self.bookmark.pop("full_table", None)
            return now
        return to_moment(self.bookmark.setdefault("full_table", {"began": to_text(now)})["began"])

    def batches(self) -> Iterator[Batch]:
        """Read the stream's lists, one after the other.

        Yields:
            Records, and what brings the bookmark to behind them.

        Raises:
            PlanhatError: A page could not be had.
            ScanError: A list changes faster than it can be read.
            ShapeError: A row cannot become a record.
        """
        self.settings = self._read_settings()
        since = to_text(self.settings.now)
        if self.moving is not None:
            # If the last pass is cut short, the next run's has to look as far back.
            since = self.bookmark.setdefault("moved_back_since", since)
        for companies in self._company_filters():
            first = Position()
            for number, filters in enumerate(self.spec.lists):
                context = {**companies, **filters}
                bookmark = part_of(self.bookmark, context)
                if self.key is None and self._is_done(bookmark):
                    continue
                plan = plan_read(self.order, bookmark, self.settings)
                for step, batch in self._pass(self.order, bookmark, context, plan):
                    if number == 0 and step.by_key:
                        first = step.position
                    yield batch
            if self.moving is not None:
                yield from self._moved_back(self.moving, companies, first, since)
        self.bookmark.pop("moved_back_since", None)
        if self.key is None:
            self._forget_full_table()

    def _moved_back(
        self, moving: ListSpec, companies: Mapping[str, str], first: Position, since: str
    ) -> Iterator[Batch]:
        """Read the first list again from where it was left, for rows that came back into it."""
        context = {**companies, **self.spec.lists[0]}
        keeps = self.key == moving.key
        if not keeps or not first.value:
            first = Position(earlier(since, max(self.settings.lookback, CLOCK_MARGIN)))
        began = to_text(self.settings.now)
        plan = ReadPlan(since=first.value, full=False, by_key=True, began=began, start=first)
        bookmark = part_of(self.bookmark, context)
        for _, (records, commit) in self._pass(moving, bookmark, context, plan, again=True):
            yield records, commit if keeps else lambda: None

    def _pass(
        self,
        order: ListSpec,
        bookmark: Bookmark,
        context: Mapping[str, str],
        plan: ReadPlan,
        *,
        again: bool = False,
    ) -> Iterator[tuple[SyncStep, Batch]]:
        """Read one list; the bookmark follows as batches are committed."""
        filters: dict[str, str | int] = {**context}
        if self.spec.window is not None:
            filters[self.spec.window] = self._days_back(plan.since)
        pages = self._pages(filters)
        self.progress.begin_list()

        def length() -> int | None:
            return count_rows(pages, "_id", step.position.offset or 0)

        def commit(after: Mapping[str, Any]) -> None:
            bookmark.clear()
            bookmark.update(after)

        try:
            for step in read(order, dict(bookmark), self.settings, pages, plan):
                rows = self._without_repeats(order, step, again=again)
                records = self.shape.records(rows)
                self.progress.add(
                    len(records),
                    offset=step.position.offset,
                    length=length if plan.full else None,
                )
                yield step, (records, partial(commit, step.bookmark))
        finally:
            pages.close()

    def _pages(self, filters: Mapping[str, str | int]) -> Pages:
        needed = {"_id"} | row_names(self.resource, "_id")
        needed |= row_names(self.resource, self.order.date_key)
        if self.spec.moves_back is not None:
            needed.add(self.spec.moves_back)
        if not self.select.known:
            self.select = names_to_ask(
                self.client,
                self.resource,
                filters,
                self.shape.properties,
                needed,
                unknown=self.shape.keeps_unknown,
                parallel=self.config["parallel_requests"],
            )
        return Pages(
            self.client,
            self.resource,
            filters,
            parallel=self.config["parallel_requests"],
            probe=sorted(needed),
            select=self.select.names,
        )

    def _without_repeats(
        self, order: ListSpec, step: SyncStep, *, again: bool
    ) -> Sequence[dict[str, Any]]:
        """Leave out rows without a date that this run has emitted, as many as are remembered."""
        if self.moving is None:
            return step.rows
        date, identity = self.moving.key_of, self.moving.identity
        # In the order of that date those without come first; elsewhere they may be anywhere.
        ordered = step.by_key and order.date_key == self.moving.date_key
        undated = takewhile if ordered else filter
        ids = [identity(row) for row in undated(lambda row: not date(row), step.rows)]
        if not again:
            if len(self.undated) < MOST_UNDATED:
                self.undated.update(ids)
            return step.rows
        if self.undated.isdisjoint(ids):
            return step.rows
        return [row for row in step.rows if date(row) or identity(row) not in self.undated]

    def _days_back(self, since: str) -> int:
        """Return the days from now back to an instant, and one more: the window moves on."""
        if not since:
            return ALL_AGES
        age = self.client.clock.now() - to_moment(since)
        return max(1, ceil(age / timedelta(days=1)) + 1)

    def _company_filters(self) -> list[dict[str, str]]:
        """Return the company filters: one list for many companies, or one each.

        They become part of the state's partition, so that a company that is added later is read
        from its beginning, and with it those that share its list.
        """
        companies = sorted(set(self.config.get("company_ids") or ()))
        if not companies:
            return [{}]
        most = MOST_COMPANIES if self.resource.many_companies else 1
        return [
            {"companyId": ",".join(companies[first : first + most])}
            for first in range(0, len(companies), most)
        ]

    def _is_done(self, bookmark: Mapping[str, Any]) -> bool:
        """Return whether an interrupted sync of the full table is through with this list."""
        began = to_text(self.settings.now)
        return "reading" not in bookmark and bookmark.get("full_read_at") == began

    def _forget_full_table(self) -> None:
        """Leave nothing of a finished full table in the bookmark."""
        self.bookmark.pop("full_table", None)
        for part in (self.bookmark, *self.bookmark.get("partitions", ())):
            part.pop("full_read_at", None)
            part.pop("reading", None)
