"""Pages of one Planhat list: requested ahead, sized to fit memory, in halves where they fail.

Stands between the scan, which decides what to read, and the client, which makes single calls. A row
on which the server fails each time is found by halving, without further retries; the error then
names its offset, and all rows before it have been returned.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from planhat_api.errors import NotJsonError, PayloadError, RetriableError, TimedOutError
from planhat_api.paging import Page, PageRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from planhat_api.calls.responses import Decode, UndecodedPage
    from planhat_api.client import PlanhatClient
    from planhat_api.errors import PlanhatError
    from planhat_api.paging import Row
    from planhat_api.resources import Resource

FIRST_PAGE = 1000
"""Rows of the first page, from which the size of a row is learned."""
BYTES_AHEAD = 24_000_000
"""Bytes of JSON that the pages under way may have together."""
PAGE_BYTES = 6_000_000
"""Bytes of JSON a page may have; decoded it takes four times that, and the one before it too."""
PATIENCE = 5.0
"""Seconds of retries after which a page is asked for in halves."""
LONGEST_REST = 64
"""Pages of a working size after which a larger one is tried again."""
SMALL_PAGE = 8
"""Rows of a page that is too small to stay with."""


class Pages:
    """Answers a scan's requests for one list, from one thread."""

    def __init__(
        self,
        client: PlanhatClient,
        resource: Resource,
        filters: Mapping[str, str | int],
        *,
        parallel: int,
        probe: Sequence[str],
        select: Sequence[str] | None = None,
        first_page: int = FIRST_PAGE,
        decode: Decode | None = None,
    ) -> None:
        """Ask for nothing yet.

        Args:
            client: Makes the calls.
            resource: What to list.
            filters: The query's filters.
            parallel: Page requests that may be under way at once.
            probe: Properties that are enough for a probe.
            select: Properties to ask for; None: whatever the server gives.
            first_page: Rows of the first page; more where the size of a row is known.
            decode: Decodes the body of a page, or returns None; None: all rows are dicts.
        """
        self._client = client
        self._resource = resource
        self._filters = filters
        self._probe = ",".join(probe)
        self._select = ",".join(select) if select else None
        self._decode = decode
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="planhat-page")
        self._ahead: dict[PageRequest, Future[UndecodedPage]] = {}
        # One more than can be under way while a page is waited for: all are while one is decoded.
        self._most_ahead = parallel if parallel > 1 else 0
        self._window = 0
        self._bytes = min(PAGE_BYTES, BYTES_AHEAD // parallel)
        self._size = first_page
        self._rest = 1
        self._resting = 0
        self._grown = False
        self._begun = False
        self._wall = 0
        """Where the last page that failed would have ended."""

    @property
    def page_rows(self) -> int:
        """Rows that a page may have, as far as the size of a row is known."""
        return self._size

    def close(self) -> None:
        """Drop the prefetched pages."""
        self._forget()
        self._pool.shutdown(wait=False)

    def __call__(self, request: PageRequest) -> Page:
        """Return a page.

        Raises:
            PlanhatError: It could not be had, not even in small pieces.
        """
        paged = request.overlap is not None
        limit = request.limit
        if paged and not request.widest:
            limit = min(limit, max(self._size, self._least(request)))
        while True:
            sized = replace(request, limit=limit, widest=False)
            try:
                rows, size = self._take(sized) if paged else self._rows(self._ask(sized), sized)
            except (RetriableError, PayloadError) as error:
                self._forget()
                if not getattr(error, "too_much", False):
                    raise _placed(error, sized) from None
                if limit <= self._least(sized):
                    if not request.is_needed:
                        return Page((), 0)
                    raise _placed(error, sized) from None
                limit = self._smaller(sized, error)
                continue
            if paged:
                self._begun = True
                self._learn(sized, len(rows), size, request.limit)
            return Page(rows, limit)

    def _smaller(self, request: PageRequest, error: PlanhatError) -> int:
        """Return the rows to ask for in place of a page that failed."""
        # A try that times out takes long: fewer of them.
        limit = request.limit // (4 if isinstance(error, TimedOutError) else 2)
        limit = max(limit, self._least(request))
        if request.overlap is not None:
            self._wall = request.offset + request.limit
            self._shrink(limit)
        return limit

    def _take(self, request: PageRequest) -> tuple[Sequence[Row], int]:
        """Return the rows of a page and its bytes, and ask for those that should follow."""
        future = self._ahead.pop(request, None)
        if future is None:
            if self._ahead:
                self._forget()
            future = self._ask(request)
        else:
            self._window = min(self._most_ahead, max(1, 2 * self._window))
        self._ask_ahead(request)
        rows, size = self._rows(future, request)
        if len(rows) == request.limit and not self._window:
            self._window = min(1, self._most_ahead)
        return rows, size

    def _rows(
        self, future: Future[UndecodedPage], request: PageRequest
    ) -> tuple[Sequence[Row], int]:
        """Return the rows of a page and its bytes."""
        page = future.result()
        try:
            return page.rows(self._decode), page.size
        except NotJsonError:
            # Not valid JSON inside: let the client check it, which may ask for it again.
            checked = self._pool.submit(
                self._client.list_rows,
                self._resource,
                self._query(request),
                retry_timeout=self._patience(request),
            )
            return checked.result(), page.size

    def _ask_ahead(self, request: PageRequest) -> None:
        stride = request.limit - (request.overlap or 0)
        if stride <= 0:
            return
        for step in range(1, self._window + 1):
            following = PageRequest(
                request.sort,
                request.offset + step * stride,
                request.limit,
                overlap=request.overlap,
            )
            if following not in self._ahead:
                self._ahead[following] = self._ask(following)

    def _ask(self, request: PageRequest) -> Future[UndecodedPage]:
        return self._pool.submit(
            self._client.list_page,
            self._resource,
            self._query(request),
            retry_timeout=self._patience(request),
        )

    def _patience(self, request: PageRequest) -> float | None:
        if request.limit <= self._least(request) and request.is_needed:
            return None
        # After retries for so long only smaller pages can help, not more retries.
        return 0.0 if request.offset < self._wall else PATIENCE

    def _least(self, request: PageRequest) -> int:
        """Return the rows that a page needs to bring one that is new."""
        return 1 + (request.overlap or 0) if self._begun else 1

    def _forget(self) -> None:
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()
        self._window = 0

    def _shrink(self, limit: int) -> None:
        """Use smaller pages for a while, the longer the more often larger ones failed."""
        self._size = min(self._size, limit)
        if self._grown:
            self._rest = min(2 * self._rest, LONGEST_REST)
            self._grown = False
        self._resting = self._rest

    def _learn(self, request: PageRequest, count: int, size: int, wanted: int) -> None:
        """Choose the rows of the next pages by the bytes of this one.

        Only in great steps: prefetched pages are of use only while the size stays.
        """
        limit = request.limit
        if not count or request.offset + limit < self._wall:
            # Larger ones would fail again, before the reading is past what made them fail.
            return
        good = max(2, min(4 * limit, self._bytes * count // size))
        if size > self._bytes * 5 // 4:
            self._size = good
        elif count == limit < wanted and good > limit * 3 // 2:
            if self._resting and limit >= SMALL_PAGE:
                self._resting -= 1
                return
            self._size = good
            self._grown = True

    def _query(self, request: PageRequest) -> dict[str, str | int]:
        query = {
            **self._filters,
            "limit": request.limit,
            "offset": request.offset,
            "sort": request.sort,
        }
        if request.probe:
            query["select"] = self._probe
        elif self._select:
            query["select"] = self._select
        return query


def _placed(error: PlanhatError, request: PageRequest) -> PlanhatError:
    """Return an error that also says which rows were asked for."""
    place = f"rows {request.offset} to {request.offset + request.limit - 1} of the list"
    error.note = f"{error.note}; {place}" if error.note else place
    return error
