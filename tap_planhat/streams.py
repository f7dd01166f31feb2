"""The four streams: what each is read along, in which passes, and how that is put together."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from planhat_api import resources
from planhat_api.errors import SettingsError
from planhat_api.schema import json_schema
from tap_planhat.cursor import earlier, instant, to_moment, to_text
from tap_planhat.pages import Pages
from tap_planhat.progress import Progress, count_rows
from tap_planhat.reading import Plan, Source, Terms, plan, read
from tap_planhat.scan import Position
from tap_planhat.sdk import Batch, BatchStream
from tap_planhat.selection import Ask, names_to_ask, row_names
from tap_planhat.shape import Shape, id_name

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

    from singer_sdk.singerlib import MetadataMapping

    from planhat_api.resources import Resource
    from tap_planhat.reading import Step
    from tap_planhat.tap import TapPlanhat

ALL_AGES = 36_500
"""Days: a window that leaves out no NPS answer."""
MOST_UNDATED = 100_000
"""Rows without a date that are remembered, so as not to be emitted a second time."""

CLOCK_MARGIN = timedelta(minutes=10)
"""By which this machine's clock may be ahead of Planhat's."""

Filters = MappingProxyType[str, "str | int"]


def _filters(**filters: str | int) -> Filters:
    return MappingProxyType(filters)


class PlanhatStream(BatchStream):
    """What the four streams share; they differ in the data below."""

    resource: ClassVar[Resource]
    keys: ClassVar[tuple[str, ...]]
    """Valid replication keys, the default first."""
    start_key: ClassVar[str]
    """The property `start_date` speaks of where there is no replication key."""
    filters: ClassVar[tuple[Filters, ...]] = (_filters(),)
    """The filters of the lists that make up the stream, one pass each."""
    moves_back: ClassVar[str | None] = None
    """The date by which rows are found that moved from the second list back to the first."""
    window: ClassVar[str | None] = None
    """The filter that takes an age in days; such a list is not sorted by its key."""
    unique_ids: ClassVar[bool] = True
    """No two rows of a list share an `_id`."""

    def __init__(self, tap: TapPlanhat) -> None:
        """Announce the stream; nothing is asked for yet."""
        self.name = self.resource.name
        super().__init__(tap, schema=json_schema(self.resource), name=self.resource.name)
        self.primary_keys = ["_id"]
        self.replication_key = self.keys[0]
        self._began = datetime.fromtimestamp(tap.initialized_at / 1000, timezone.utc)
        self._planhat = tap

    @property
    @override
    def metadata(self) -> MetadataMapping:
        metadata = super().metadata
        if self._tap_input_catalog is None:
            metadata.root.valid_replication_keys = list(self.keys)
        return metadata

    @property
    @override
    def version(self) -> int:
        return int(to_moment(self._full_table()["began"]).timestamp())

    @override
    def batches(self) -> Iterator[Batch]:
        """Read the stream's lists, one after the other.

        Raises:
            SettingsError: The catalog asks for a replication key this stream does not have.
        """
        key = self.replication_key if self.replication_method == "INCREMENTAL" else None
        if key is not None and key not in self.keys:
            raise SettingsError(
                f"{self.name} cannot be read by {key}: choose replication key "
                f"{' or '.join(self.keys)}, or replication method FULL_TABLE, in the catalog"
            )
        run = _Run(self, key)
        yield from run.batches()

    def _full_table(self) -> dict[str, Any]:
        """Return what is known of the full table being read, perhaps since an earlier run."""
        table: dict[str, Any] = self.stream_state.setdefault(
            "full_table", {"began": to_text(self._began)}
        )
        return table


class Campaigns(PlanhatStream):
    """Campaigns, in the order of their making."""

    resource = resources.CAMPAIGNS
    keys = ("_id", "updatedAt")
    start_key = "_id"


class Conversations(PlanhatStream):
    """Conversations in the order of their arrival: an imported mail's own dates are old."""

    resource = resources.CONVERSATIONS
    keys = ("_id", "updatedAt")
    start_key = "_id"


class Nps(PlanhatStream):
    """NPS answers of any age; a list row's `_id` is the contact's, who may have several."""

    resource = resources.NPS
    keys = ("dateAnswered",)
    start_key = "dateAnswered"
    window = "npsExpiryDay"
    unique_ids = False


class Tasks(PlanhatStream):
    """Tasks, the archived ones in a list of their own."""

    resource = resources.TASKS
    keys = ("updatedAt", "_id")
    start_key = "updatedAt"
    filters = (_filters(isArchived="false"), _filters(isArchived="true"))
    moves_back = "updatedAt"


STREAMS: Sequence[type[PlanhatStream]] = (Campaigns, Conversations, Nps, Tasks)


@dataclass
class _Run:
    """One reading of a stream."""

    stream: PlanhatStream
    key: str | None

    def __post_init__(self) -> None:
        stream = self.stream
        self.resource = stream.resource
        self.tap = stream._planhat  # noqa: SLF001
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
        self.undated: set[str] = set()
        self.ask = Ask()
        self.source = self._source(self.key or stream.start_key, self.key)
        began = stream._began  # noqa: SLF001
        if self.key is None:
            began = to_moment(stream._full_table()["began"])  # noqa: SLF001
        self.terms = self._terms(began)

    def _source(self, date_key: str, key: str | None) -> Source:
        seen_as = sorted(row_names(self.resource, date_key))
        id_property = id_name(self.resource)

        def key_of(row: Mapping[str, Any]) -> str:
            for name in seen_as:
                if name in row:
                    return instant(row[name])
            return ""

        def identity(row: Mapping[str, Any]) -> str:
            return str(row.get(id_property) or row.get("_id"))

        return Source(
            name=self.resource.name,
            key=key,
            date_key=date_key,
            key_of=(lambda row: str(row.get("_id") or "")) if date_key == "_id" else key_of,
            identity=identity,
            unique_ids=self.stream.unique_ids,
            by_id=self.stream.window is not None,
            shows_edits=key == "updatedAt",
        )

    def _terms(self, began: datetime) -> Terms:
        widest = self.resource.max_limit
        start_date = instant(self.config.get("start_date"))
        days = self.config["rescan_days"]
        return Terms(
            now=began,
            limit=max(2, min(widest, self.config.get("page_size") or widest)),
            widest=widest,
            start_date=to_moment(start_date) if start_date else None,
            lookback=timedelta(minutes=self.config["lookback_minutes"]),
            rescan_after=timedelta(days=days) if days else None,
        )

    def batches(self) -> Iterator[Batch]:
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
            if self.stream.moves_back is not None:
                yield from self._moved_back(companies, self.stream.moves_back, first)
        if self.key is None:
            self._forget_full_table()

    def _moved_back(
        self, companies: Mapping[str, str], date_key: str, first: Position
    ) -> Iterator[Batch]:
        """Read the first list again from where it was left, for rows that came back into it."""
        context = {**companies, **self.stream.filters[0]}
        source, start, keeps = self.source, first, self.key == date_key
        if not keeps or not first.value:
            source = self._source(date_key, date_key)
            start = Position(
                earlier(to_text(self.terms.now), max(self.terms.lookback, CLOCK_MARGIN))
            )
        todo = Plan(
            since=start.value, whole=False, along=True, began=to_text(self.terms.now), start=start
        )
        for _, batch in self._pass(source, self._bookmark(context), context, todo, again=True):
            yield batch if keeps else replace(batch, commit=lambda: None)

    def _pass(
        self,
        source: Source,
        bookmark: MutableMapping[str, Any],
        context: Mapping[str, str | int],
        todo: Plan,
        *,
        again: bool = False,
    ) -> Iterator[tuple[Step, Batch]]:
        """Read one list; the bookmark follows as batches are committed."""
        filters = dict(context)
        if self.stream.window is not None:
            filters[self.stream.window] = self._days_back(todo.since)
        pages = self._pages(filters)
        self.progress.begin_list()

        def length() -> int:
            return count_rows(pages, "_id", step.position.offset or 0)

        def commit(after: Mapping[str, Any]) -> None:
            bookmark.clear()
            bookmark.update(after)

        try:
            for step in read(source, dict(bookmark), self.terms, pages, todo):
                rows = self._without_repeats(step.rows, source, again=again)
                records = list(map(self.shape.record, rows))
                self.progress.add(
                    len(records),
                    offset=step.position.offset,
                    length=length if todo.whole else None,
                )
                batch = Batch(records, datetime.now(timezone.utc), partial(commit, step.bookmark))
                yield step, batch
        finally:
            pages.close()

    def _pages(self, filters: Mapping[str, str | int]) -> Pages:
        needed = {"_id"} | row_names(self.resource, "_id")
        needed |= row_names(self.resource, self.source.date_key)
        if self.stream.moves_back is not None:
            needed.add(self.stream.moves_back)
        if not self.ask.known:
            self.ask = names_to_ask(self.tap.client, self.resource, filters, self.selected, needed)
        return Pages(
            self.tap.client,
            self.resource,
            filters,
            parallel=self.config["parallel_requests"],
            probe=sorted(needed),
            select=self.ask.names,
        )

    def _without_repeats(
        self, rows: Sequence[dict[str, Any]], source: Source, *, again: bool
    ) -> Sequence[dict[str, Any]]:
        """Leave out rows without a date that this run has emitted, as many as are remembered."""
        if self.stream.moves_back is None:
            return rows
        undated = [row for row in rows if not source.key_of(row)]
        if not undated:
            return rows
        if not again:
            if len(self.undated) < MOST_UNDATED:
                self.undated.update(map(source.identity, undated))
            return rows
        return [
            row for row in rows if source.key_of(row) or source.identity(row) not in self.undated
        ]

    def _days_back(self, since: str) -> int:
        """Return the days from now back to an instant, and one more: the window moves on."""
        if not since:
            return ALL_AGES
        age = datetime.now(timezone.utc) - to_moment(since)
        return max(1, ceil(age / timedelta(days=1)) + 1)

    def _company_filters(self) -> list[dict[str, str]]:
        """Return the company filters: one list for all companies, or one each.

        They become part of the state's partition, so that a company that is added later is read
        from its beginning.
        """
        companies = sorted(set(self.config.get("company_ids") or ()))
        if not companies:
            return [{}]
        if self.resource.many_companies:
            return [{"companyId": ",".join(companies)}]
        return [{"companyId": company} for company in companies]

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
