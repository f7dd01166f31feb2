"""Reads all records of a resource: every row of every list, proved complete, while lists change.

The lists are read one after the other by `planhat_api.scan`. A row that moves to another list
meanwhile, as a task does that is archived, might be met in neither: so the rows that changed
since are looked at again at the end, in each list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from planhat_api.dates import instant
from planhat_api.errors import PayloadError, PlanhatError
from planhat_api.pages import FIRST_PAGE, Pages
from planhat_api.paging import Cursor, PageRequest, ScanError
from planhat_api.rows import RowNames, row_names
from planhat_api.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.paging import Page
    from planhat_api.paging import Row as PageRow
    from planhat_api.resources import Resource

    Row = dict[str, Any]

PARALLEL = 2
"""Page requests in flight in a long list."""
LONG = 8
"""Pages after which a list is a long one: in a short one, pages asked for ahead are in vain."""
LAST_ROWS = 200
"""Rows looked at again at the end of a list, where those are all that have changed."""
MOST_LOOKS = 10
"""Looks at the lists' ends, each of which shows rows unseen so far, before they are given up."""
_CHANGED = "updatedAt"


class IncompleteError(PlanhatError):
    """The records of a resource could not be read with proof that none is missing."""

    hint = "Nothing was written without that knowledge. Run again when less changes in Planhat"


class TenantReader:
    """Reads the records of one resource, once."""

    def __init__(
        self,
        client: PlanhatClient,
        resource: Resource,
        properties: Collection[str],
    ) -> None:
        """Ask for nothing yet.

        Args:
            client: Calls Planhat.
            resource: What to read.
            properties: Names of the property table that are wanted; `_id` always is.
        """
        self._client = client
        self._resource = resource
        self._names = RowNames(resource)
        self._moving = len(resource.lists) > 1
        self._page_rows = FIRST_PAGE
        self._filled: set[int] = set()
        """Lists, by their place, that were seen to hold rows."""
        wanted = {*properties, "_id", *([_CHANGED] if self._moving else ())}
        names = set().union(*(row_names(resource, name) for name in wanted))
        self._select: list[str] | None = sorted(names)

    def batches(self, is_known: Callable[[str], bool]) -> Iterator[Sequence[Row]]:
        """Yield all rows, by the names of the property table; one may come twice, the newer last.

        Args:
            is_known: Returns whether a row with this `_id` was taken already.

        Raises:
            IncompleteError: It cannot be proved that these are all.
            PlanhatError: A list cannot be had.
        """
        try:
            try:
                yield from self._all(is_known)
            except PayloadError:
                if self._select is None:
                    raise
                # A list that cannot be asked for by name is read as it comes.
                self._select = None
                yield from self._all(is_known)
        except ScanError as error:
            raise IncompleteError(f"GET {self._resource.path}", str(error)) from None

    def _all(self, is_known: Callable[[str], bool]) -> Iterator[Sequence[Row]]:
        lists = self._resource.lists
        since = self._newest(lists[0]) if self._moving else ""
        began = int(self._client.clock.now().timestamp())
        for number, filters in enumerate(lists):
            for rows in self._list(filters):
                if rows:
                    self._filled.add(number)
                yield rows
        if self._moving:
            yield from self._moved(since, f"{began:08x}", is_known)

    def _newest(self, filters: Mapping[str, str | int]) -> str:
        """Return when a row of a list changed last; "" where that is not shown."""
        rows = self._fetch(filters, PageRequest(f"-{_CHANGED}", 0, 1)).rows
        return instant(rows[0].get(_CHANGED)) if rows else ""

    def _list(self, filters: Mapping[str, str | int]) -> Iterator[Sequence[Row]]:
        own_id = self._resource.id_in_lists
        cursor = Cursor(
            "_id",
            lambda row: row.get("_id") or "",
            lambda row: row.get(own_id) or row.get("_id"),
            unique=own_id == "_id",
        )
        pages = self._pages(filters, 1)
        asked = 0

        def fetch(request: PageRequest) -> Page:
            nonlocal asked, pages
            asked += 1
            if asked == LONG:
                pages.close()
                pages = self._pages(filters, PARALLEL)
            page = pages(request)
            self._page_rows = pages.page_rows
            return page

        try:
            for batch in scan(fetch, cursor, limit=self._resource.max_limit):
                yield self._renamed(batch.rows)
        finally:
            pages.close()

    def _moved(
        self, since: str, first_new: str, is_known: Callable[[str], bool]
    ) -> Iterator[Sequence[Row]]:
        """Look at the ends of all lists until none shows an old row that none has shown before."""
        for _ in range(MOST_LOOKS):
            news = False
            for number in range(len(self._resource.lists)):
                for rows in self._changed(number, since):
                    ids = [row["_id"] for row in rows if row["_id"] < first_new]
                    news = news or not all(map(is_known, ids))
                    yield rows
            if not news:
                return
        raise ScanError("rows come, or move between its lists, faster than these can be read")

    def _changed(self, number: int, since: str) -> Iterator[Sequence[Row]]:
        """Yield the rows of a list that have changed since, or all where that is not shown."""
        filters = self._resource.lists[number]
        for limit in (LAST_ROWS, self._resource.max_limit):
            page = self._fetch(filters, PageRequest(f"-{_CHANGED}", 0, limit))
            moments = [instant(row.get(_CHANGED)) for row in page.rows]
            if not moments and number not in self._filled:
                return
            if moments != sorted(moments, reverse=True) or not any(moments):
                break
            if moments[-1] <= since:
                yield self._renamed(page.rows)
                return
        yield from self._list(filters)

    def _renamed(self, found: Sequence[PageRow]) -> Sequence[Row]:
        # Pages that are decoded as a whole have dicts.
        rows = cast("Sequence[Row]", found)
        self._names.learn(rows)
        renamed = list(map(self._names.renamed, rows))
        if not all(row.get("_id") for row in renamed):
            raise ScanError(f"a row has no {self._resource.id_in_lists}")
        return renamed

    def _fetch(self, filters: Mapping[str, str | int], request: PageRequest) -> Page:
        pages = self._pages(filters, 1)
        try:
            return pages(request)
        finally:
            pages.close()

    def _pages(self, filters: Mapping[str, str | int], parallel: int) -> Pages:
        return Pages(
            self._client,
            self._resource,
            filters,
            parallel=parallel,
            probe=["_id", self._resource.id_in_lists],
            select=self._select,
            first_page=self._page_rows,
        )
