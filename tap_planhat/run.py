"""One sync of a stream: its lists one after the other, each with its own bookmark.

Puts the parts together: state, lists, shape and progress. How a list is read is decided in
`bookmark.py` and `scan.py`, how lines are written in `writer.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from math import ceil
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment, to_text
from planhat_api.pages import Pages
from planhat_api.rows import row_names
from planhat_api.scan import Position
from tap_planhat.bookmark import (
    CLOCK_MARGIN,
    ListSpec,
    ReadPlan,
    ReadSettings,
    discard_impossible,
    part_of,
    plan_read,
    read,
)
from tap_planhat.instants import earlier
from tap_planhat.progress import Progress
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
MOST_COMPANIES = 200
"""Companies in one filter: their ids make up the URL, which servers limit to some 8,000 bytes."""
MOST_TAILS = 20
"""Times that the ends of lists are read again: rows may change faster than they are read."""

logger = logging.getLogger(__name__)


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
        self._choose_companies()

    def _choose_companies(self) -> None:
        """Decide how a list is narrowed down to `company_ids`: by its filter, or row by row here.

        Several lists, each filtered by some of the companies, would miss a row that moves from one
        that is yet to be read to one that has been.
        """
        companies = sorted(set(self.config.get("company_ids") or ()))
        self.companies = frozenset(companies)
        self.company_names = row_names(self.resource, self.resource.company_property)
        self.filter: dict[str, str] = {}
        self.context: dict[str, str] = {}
        """Part of STATE's partition: with a company more, the list is read from its beginning."""
        if companies:
            joined = ",".join(companies)
            if len(companies) <= (MOST_COMPANIES if self.resource.many_companies else 1):
                self.filter = {"companyId": joined}
            elif len(companies) > MOST_COMPANIES:
                joined = f"{len(companies)} companies, {sha256(joined.encode()).hexdigest()}"
            self.context = {"companyId": joined}

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
        if gone := discard_impossible(self.bookmark, now):
            logger.warning(
                "%s: STATE holds moments that cannot be, or lie in the future: %s. They count as "
                "none, so that more is read than usual",
                self.resource.name,
                ", ".join(gone),
            )
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
            # If the last passes are cut short, the next run's have to look as far back.
            since = self.bookmark.setdefault("moved_back_since", since)
        reached: list[Position | None] = []
        for filters in self.spec.lists:
            bookmark = part_of(self.bookmark, {**self.context, **filters})
            position = None
            if self.key is not None or not self._is_done(bookmark):
                plan = plan_read(self.order, bookmark, self.settings)
                for step, batch in self._pass(self.order, bookmark, filters, plan):
                    position = step.position if step.by_key else None
                    yield batch
            reached.append(position)
        if self.moving is not None:
            yield from self._tails(self.moving, reached, since)
        self.bookmark.pop("moved_back_since", None)
        if self.key is None:
            self._forget_full_table()

    def _tails(
        self, moving: ListSpec, reached: Sequence[Position | None], since: str
    ) -> Iterator[Batch]:
        """Read the end of each list again until none brings anything: rows move between them.

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
            bookmark = part_of(self.bookmark, {**self.context, **filters})
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
            for step, (records, commit) in self._pass(moving, bookmark, filters, plan):
                if step.by_key:
                    positions[number] = step.position
                    quiet = 0 if records else quiet
                yield records, commit if keeps else lambda: None
            if quiet == len(positions):
                return

    def _pass(
        self, order: ListSpec, bookmark: Bookmark, filters: Mapping[str, str], plan: ReadPlan
    ) -> Iterator[tuple[SyncStep, Batch]]:
        """Read one list; the bookmark follows as batches are committed."""
        query: dict[str, str | int] = {**self.filter, **filters}
        if self.spec.window is not None:
            query[self.spec.window] = self._days_back(plan.since)
        pages = self._pages(query)

        def commit(after: Mapping[str, Any]) -> None:
            bookmark.clear()
            bookmark.update(after)

        try:
            for step in read(order, dict(bookmark), self.settings, pages, plan):
                records = self.shape.records(self._wanted(step.rows))
                self.progress.add(len(records), step.position.value)
                yield step, (records, partial(commit, step.bookmark))
        finally:
            pages.close()

    def _wanted(self, rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return the rows of the companies that are asked for, where the list has others too."""
        if not self.companies or self.filter:
            return rows
        names, companies = self.company_names, self.companies
        return [row for row in rows if any(row.get(name) in companies for name in names)]

    def _pages(self, filters: Mapping[str, str | int]) -> Pages:
        needed = {"_id"} | row_names(self.resource, "_id")
        needed |= row_names(self.resource, self.order.date_key)
        if self.companies:
            needed |= self.company_names
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

    def _days_back(self, since: str) -> int:
        """Return the days from now back to an instant, and one more: the window moves on."""
        if not since:
            return ALL_AGES
        age = self.client.clock.now() - to_moment(since)
        return max(1, ceil(age / timedelta(days=1)) + 1)

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
