"""One reading of a stream: its lists one after the other, each with its own bookmark.

Puts the parts together: state, lists, shape and progress. How a list is read is decided in
`reading.py` and `scan.py`, how lines are written in `writer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import takewhile
from math import ceil
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment, to_text
from planhat_api.pages import Pages
from planhat_api.rows import row_names
from planhat_api.scan import Position
from tap_planhat.bookmark import ListSource, ReadPlan, ReadSettings, plan, read
from tap_planhat.instants import earlier
from tap_planhat.progress import Progress, count_rows
from tap_planhat.sdk import RecordBatch
from tap_planhat.select import Select, names_to_ask
from tap_planhat.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

    from tap_planhat.bookmark import SyncStep
    from tap_planhat.streams import PlanhatStream

ALL_AGES = 36_500
"""Days: a window that leaves out no NPS answer."""
MOST_UNDATED = 100_000
"""Rows without a date that are remembered, so as not to be emitted a second time."""
MOST_COMPANIES = 200
"""Companies in one filter: their ids make up the URL, which servers limit to some 8,000 bytes."""
CLOCK_MARGIN = timedelta(minutes=10)
"""By which this machine's clock may be ahead of Planhat's."""


@dataclass
class StreamSync:
    """One reading of a stream."""

    stream: PlanhatStream
    key: str | None
    """The replication key; None: the full table is read."""

    def __post_init__(self) -> None:
        """Ask for nothing yet."""
        stream = self.stream
        self.resource = stream.resource
        self.config = stream.config
        self.state = stream.stream_state
        schema = stream.effective_schema["properties"]
        self.selected = [
            name
            for name in self.resource.properties
            if name in schema and stream.mask.get(("properties", name), True)
        ]
        self.shape = Shape(self.resource, self.selected)
        self.progress = Progress(self.resource.name)
        self.ask = Select()
        self.source = self._source(self.key or stream.start_key, self.key)
        moves_back = stream.moves_back
        self.moving = self._source(moves_back, moves_back) if moves_back else None
        self.undated: set[str] = set()
        self.terms = self._terms(stream.began if self.key else stream.full_table_began)

    def _source(self, date_key: str, key: str | None) -> ListSource:
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

        return ListSource(
            name=self.resource.name,
            key=key,
            date_key=date_key,
            key_of=(lambda row: str(row.get("_id") or "")) if date_key == "_id" else key_of,
            identity=identity,
            unique_ids=self.stream.unique_ids,
            by_id=self.stream.window is not None,
            shows_edits=key == "updatedAt",
        )

    def _terms(self, began: datetime) -> ReadSettings:
        widest = self.resource.max_limit
        start_date = instant(self.config.get("start_date"))
        days = self.config["rescan_days"]
        return ReadSettings(
            now=began,
            limit=max(2, min(widest, self.config.get("page_size") or widest)),
            widest=widest,
            start_date=to_moment(start_date) if start_date else None,
            lookback=timedelta(minutes=self.config["lookback_minutes"]),
            rescan_after=timedelta(days=days) if days else None,
        )

    def batches(self) -> Iterator[RecordBatch]:
        """Read the stream's lists, one after the other.

        Raises:
            PlanhatError: A page could not be had.
            ScanError: A list changes faster than it can be read.
            ShapeError: A row cannot become a record.
        """
        if self.key is not None:
            # Left by a reading of the full table that was given up.
            self.state.pop("full_table", None)
        since = to_text(self.terms.now)
        if self.moving is not None:
            # If the last pass is cut short, the next run's has to look as far back.
            since = self.state.setdefault("moved_back_since", since)
        for companies in self._company_filters():
            first = Position()
            for number, filters in enumerate(self.stream.filters):
                context = {**companies, **filters}
                bookmark = self._bookmark(context)
                if self.key is None and self._is_done(bookmark):
                    continue
                todo = plan(self.source, bookmark, self.terms)
                for step, batch in self._pass(self.source, bookmark, context, todo):
                    if number == 0 and step.along:
                        first = step.position
                    yield batch
            if self.moving is not None:
                yield from self._moved_back(self.moving, companies, first, since)
        self.state.pop("moved_back_since", None)
        if self.key is None:
            self._forget_full_table()

    def _moved_back(
        self, moving: ListSource, companies: Mapping[str, str], first: Position, since: str
    ) -> Iterator[RecordBatch]:
        """Read the first list again from where it was left, for rows that came back into it."""
        context = {**companies, **self.stream.filters[0]}
        keeps = self.key == moving.key
        if not keeps or not first.value:
            first = Position(earlier(since, max(self.terms.lookback, CLOCK_MARGIN)))
        todo = ReadPlan(
            since=first.value, whole=False, along=True, began=to_text(self.terms.now), start=first
        )
        for _, batch in self._pass(moving, self._bookmark(context), context, todo, again=True):
            yield batch if keeps else replace(batch, commit=lambda: None)

    def _pass(
        self,
        source: ListSource,
        bookmark: MutableMapping[str, Any],
        context: Mapping[str, str | int],
        todo: ReadPlan,
        *,
        again: bool = False,
    ) -> Iterator[tuple[SyncStep, RecordBatch]]:
        """Read one list; the bookmark follows as batches are committed."""
        filters = dict(context)
        if self.stream.window is not None:
            filters[self.stream.window] = self._days_back(todo.since)
        pages = self._pages(filters)
        self.progress.begin_list()

        def length() -> int | None:
            return count_rows(pages, "_id", step.position.offset or 0)

        def commit(after: Mapping[str, Any]) -> None:
            bookmark.clear()
            bookmark.update(after)

        try:
            for step in read(source, dict(bookmark), self.terms, pages, todo):
                rows = self._without_repeats(source, step, again=again)
                records = self.shape.records(rows)
                self.progress.add(
                    len(records),
                    offset=step.position.offset,
                    length=length if todo.whole else None,
                )
                batch = RecordBatch(
                    records, datetime.now(timezone.utc), partial(commit, step.bookmark)
                )
                yield step, batch
        finally:
            pages.close()

    def _pages(self, filters: Mapping[str, str | int]) -> Pages:
        needed = {"_id"} | row_names(self.resource, "_id")
        needed |= row_names(self.resource, self.source.date_key)
        if self.stream.moves_back is not None:
            needed.add(self.stream.moves_back)
        if not self.ask.known:
            self.ask = names_to_ask(
                self.stream.client,
                self.resource,
                filters,
                self.selected,
                needed,
                parallel=self.config["parallel_requests"],
            )
        return Pages(
            self.stream.client,
            self.resource,
            filters,
            parallel=self.config["parallel_requests"],
            probe=sorted(needed),
            select=self.ask.names,
        )

    def _without_repeats(
        self, source: ListSource, step: SyncStep, *, again: bool
    ) -> Sequence[dict[str, Any]]:
        """Leave out rows without a date that this run has emitted, as many as are remembered."""
        if self.moving is None:
            return step.rows
        date, identity = self.moving.key_of, self.moving.identity
        # In the order of that date those without come first; elsewhere they may be anywhere.
        ordered = step.along and source.date_key == self.moving.date_key
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
        age = datetime.now(timezone.utc) - to_moment(since)
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

    def _bookmark(self, context: Mapping[str, str | int]) -> MutableMapping[str, Any]:
        return self.stream.get_context_state(dict(context) or None)

    def _is_done(self, bookmark: Mapping[str, Any]) -> bool:
        """Say whether an interrupted reading of the full table is through with this list."""
        return "reading" not in bookmark and bookmark.get("full_read_at") == to_text(self.terms.now)

    def _forget_full_table(self) -> None:
        """Leave nothing of a finished full table in the state."""
        self.state.pop("full_table", None)
        for bookmark in (self.state, *self.state.get("partitions", ())):
            bookmark.pop("full_read_at", None)
            bookmark.pop("reading", None)
