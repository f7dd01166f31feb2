"""Asks for pages of the lists that make up a stream."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant, to_moment
from planhat_api.errors import PlanhatError
from planhat_api.pages import Pages
from planhat_api.paging import PageRequest
from planhat_api.rows import row_names
from planhat_api.scan import TAIL_ROWS
from tap_planhat.lists.bookmark import ListSpec, ReadSettings
from tap_planhat.lists.companies import Companies
from tap_planhat.lists.select import Select, names_to_ask, wanted_names
from tap_planhat.verbatim import VerbatimRow, VerbatimRows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from planhat_api.calls.responses import Decode
    from planhat_api.client import PlanhatClient
    from planhat_api.paging import Page, Row
    from tap_planhat.shape import Shape
    from tap_planhat.spec import StreamSpec

    Query = Mapping[str, str | int]

ALL_AGES = 36_500
"""Days: a window that leaves out no NPS answer."""

logger = logging.getLogger("tap-planhat")


class Lists:
    """The lists of one stream, as one run reads them."""

    def __init__(
        self,
        spec: StreamSpec,
        key: str | None,
        client: PlanhatClient,
        *,
        shape: Shape,
        config: Mapping[str, Any],
        learned: Collection[str],
    ) -> None:
        """Ask for nothing yet.

        Args:
            spec: How the stream is read.
            key: The replication key; None: the full table is read.
            client: Makes the calls.
            shape: Says which properties are wanted.
            config: The settings.
            learned: Names that lists withhold unless asked for, as the last full sync found.
        """
        self._spec, self._shape, self._client, self._config = spec, shape, client, config
        self._resource = spec.resource
        self.companies = Companies(spec.resource, config.get("company_ids") or ())
        self.order = self.sorted_by(key or spec.keys[0], key)
        """The order in which the lists are read."""
        self.by_id = self.sorted_by("_id", None)
        self.moving = self.sorted_by(spec.moves_back, spec.moves_back) if spec.moves_back else None
        """The order in which rows that have moved to another list come last."""
        self._needed = {"_id"} | row_names(spec.resource, "_id") | self.companies.names
        self._needed |= row_names(spec.resource, self.order.date_key)
        if spec.moves_back is not None:
            self._needed.add(spec.moves_back)
        self._decode: Decode | None = None
        if shape.may_keep_rows:
            self._decode = VerbatimRows(spec.resource, shape.properties, self._needed).decode
        self.learned = list(learned)
        """Names of properties that lists withhold unless they are selected."""
        self._select = Select()
        self._samples = False
        self._ahead: tuple[PageRequest, Page] | None = None

    def settings(self, now: datetime) -> ReadSettings:
        """Return the settings for a sync that begins now."""
        widest = self._resource.max_limit
        start_date = instant(self._config.get("start_date"))
        days = self._config["rescan_days"]
        return ReadSettings(
            now=now,
            limit=min(widest, self._config.get("page_size") or widest),
            widest=widest,
            start_date=to_moment(start_date) if start_date else None,
            lookback=timedelta(minutes=self._config["lookback_minutes"]),
            rescan_after=timedelta(days=days) if days else None,
        )

    def sorted_by(self, date_key: str, key: str | None) -> ListSpec:
        """Return how rows compare by a property.

        Args:
            date_key: The property.
            key: The same if it is the replication key, else None.
        """
        resource = self._resource
        # The list's own name first, as in records.
        seen_as = sorted(row_names(resource, date_key), key=date_key.__eq__)
        id_property = resource.id_in_lists

        def key_of(row: Row) -> str:
            if isinstance(row, VerbatimRow):
                return row.get(date_key) or ""
            for name in seen_as:
                if (value := row.get(name)) is not None:
                    return instant(value)
            return ""

        def identity(row: Row) -> str:
            return str(row.get(id_property) or row.get("_id"))

        return ListSpec(
            name=resource.name,
            key=key,
            date_key=date_key,
            key_of=(lambda row: str(row.get("_id") or "")) if date_key == "_id" else key_of,
            identity=identity,
            unique_ids=self._spec.unique_ids,
            by_id=self._spec.window is not None,
            shows_edits=key == "updatedAt",
        )

    def learn(self) -> None:
        """Take samples, once, to find out which properties must be selected by name."""
        if not self._samples:
            self._samples, self._select = True, Select()

    def query(self, filters: Mapping[str, str], since: str = "") -> dict[str, str | int]:
        """Return the query for rows of a list whose key is at or after an instant; "" is any."""
        query: dict[str, str | int] = {**self.companies.filter, **filters}
        if self._spec.window is not None:
            query[self._spec.window] = self._days_back(since)
        return query

    def _days_back(self, since: str) -> int:
        """Return the days from now back to an instant, and one more: the window moves on."""
        if not since:
            return ALL_AGES
        age = self._client.clock.now() - to_moment(since)
        return max(1, ceil(age / timedelta(days=1)) + 1)

    def pages(self, query: Query, *, ids_only: bool = False) -> Pages:
        """Return a source of pages of a list; close it after use."""
        if not ids_only and not self._select.known:
            self._select = self._names(query)
        return Pages(
            self._client,
            self._resource,
            query,
            parallel=self._config["parallel_requests"],
            probe=sorted(self._needed),
            select=sorted(self._needed) if ids_only else self._select.names,
            decode=self._decode,
        )

    def _names(self, query: Query) -> Select:
        """Return the properties to select by name; full syncs learn which lists need that."""
        resource, shape = self._resource, self._shape
        wanted = wanted_names(resource, shape.properties, self._needed) | set(self.learned)
        select = Select(tuple(sorted(wanted)) if self.learned else None, known=True)
        is_partial = len(shape.properties) < len(resource.properties)
        if not self._samples and (shape.keeps_unknown or not is_partial):
            return select
        try:
            select = names_to_ask(
                self._client,
                resource,
                query,
                shape.properties,
                self._needed,
                unknown=shape.keeps_unknown,
                parallel=self._config["parallel_requests"],
            )
        except PlanhatError as error:
            # If it is more than the sample that fails, the next call tells.
            logger.info("%s: no sample of rows: %s", resource.name, error)
            return select
        if self._samples and select.known:
            self.learned = list(select.names or ())
        return select

    def ask_time(self, filters: Mapping[str, str], *, known: bool, full: bool) -> None:
        """Learn Planhat's time, if possible from an answer that is needed anyway.

        Args:
            filters: Those of the list that is read first.
            known: It was read before.
            full: A full sync is to follow, which takes samples.
        """
        if full:
            self.learn()
            self.pages(self.query(filters)).close()
            if self._client.clock.heard:
                return
        request = PageRequest("_id", 0, 1, probe=True)
        if known and self._spec.window is None:
            limit = min(TAIL_ROWS, self._resource.max_limit)
            request = PageRequest(f"-{self.order.date_key}", 0, limit)
        pages = self.pages(self.query(filters), ids_only=request.probe)
        try:
            self._ahead = request, pages(request)
        finally:
            pages.close()

    def fetch(self, pages: Pages) -> Callable[[PageRequest], Page]:
        """Return a fetch function; its first answer may be the page that `ask_time` received."""

        def fetch(request: PageRequest) -> Page:
            ahead, self._ahead = self._ahead, None
            same = ahead is not None and ahead[0] == replace(request, optional=False)
            return ahead[1] if ahead is not None and same else pages(request)

        return fetch
