"""Read every row of a list that changes while it is read.

The list can only be asked for by offset and limit, in the order of one property, the cursor.
Between any two requests rows may come, go or move. The promise all the same: **every row that is
in the list from the first request to the last is handed out**, provided that a row's cursor only
ever grows (an id never changes, a time of change moves on).

How it is kept:

- A page counts only if it is linked to what was read before: it begins at or before the greatest
  cursor read so far (`last`), or at offset 0. Rows between `last` and its own first row can then
  not exist unseen. Otherwise rows have moved left, and the page is asked for from further back.
- Where rows may share a cursor, the page must begin strictly before `last`, so that the whole
  group is covered again by one answer: ties come in another order each time.
- The end is proved, not presumed from a short page: the list's tail is asked for in descending
  order, which starts at the end whatever has moved, and must reach back to `last`. Where that
  tells nothing, because all its rows share a cursor or the server ignores descending order,
  there must be nothing behind the last page, and the same page again after that.
- A list of which descending order shows rows beyond the last one read has not ended, whatever a
  page says: some servers answer with nothing from an offset on.
- Every page is checked to be in order. Rows without the cursor come first and form a group of
  ties of their own. Rows whose cursor cannot be compared stand with the row before them.
- Pages that lead no further are counted from the scan's start to its end; it ends
  with an error when they outweigh those that do.

A list that cannot be read in the order asked for raises `CannotSortError`; the caller may try
another cursor. Knows nothing of HTTP, Planhat or Singer.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, cast

from planhat_api.paging import (
    CannotSortError,
    OutOfOrderError,
    PageRequest,
    Position,
    ScanBatch,
    ScanError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from planhat_api.paging import (
        Cursor,
        Page,
        Row,
    )

TAIL_ROWS = 200
"""Rows asked for from the end of the list; few, since most runs find little that is new."""
MOST_MISSES = 50
"""Pages that may fail to link, or bring nothing, before the list is given up."""
WORTH = 4
"""Such pages that one which leads further makes up for."""
CATCH_UP = 12
"""Pages of the limit that may be read, after a look for the place, before something new comes."""
MOST_ROWS = 10**9
"""Rows no list has; a place is not looked for beyond."""
MISSES_BEFORE_TAIL = 8
"""Pages that fail to link, all in all, before the list's end is looked at again."""


def scan(
    fetch: Callable[[PageRequest], Page],
    cursor: Cursor,
    *,
    limit: int,
    widest: int | None = None,
    start: Position | None = None,
    undated: bool = True,
    gives: int = 0,
) -> Iterator[ScanBatch]:
    """Hand out every row at or after a start, and every row without a cursor.

    >>> from planhat_api.paging import Cursor, Page
    >>> rows = [{"_id": "a"}, {"_id": "b"}, {"_id": "c"}]
    >>> def fetch(request):
    ...     ordered = rows[::-1] if request.sort == "-_id" else rows
    ...     return Page(ordered[request.offset :][: request.limit], request.limit)
    >>> by_id = Cursor("_id", lambda row: row["_id"], lambda row: row["_id"], unique=True)
    >>> [row["_id"] for batch in scan(fetch, by_id, limit=2) for row in batch.rows]
    ['a', 'b', 'c']

    Args:
        fetch: Answers a request with one page of the list as it is at that moment.
        cursor: What to read along.
        limit: Rows to ask for in a page, at least 2.
        widest: The most rows a page may be asked for where a group of ties needs it.
        start: Rows before it are not wanted; None: all are.
        undated: Rows without a cursor are wanted too, where a start is given.
        gives: Rows that the server is known to put into one page of the list; 0: not known.

    Yields:
        Batches of rows. A row may come twice (it moved), never not at all.

    Raises:
        CannotSortError: The list is not in this order, or a group of ties fills a page.
        ScanError: The list changes faster than it can be read, or cannot be had to its end.
    """
    begin = start or Position()
    return _Scan(fetch, cursor, limit, widest or limit, begin, undated, gives).run()


@dataclass
class _Scan:
    fetch: Callable[[PageRequest], Page]
    cursor: Cursor
    limit: int
    widest: int
    last: Position
    undated: bool
    gives: int
    offset: int = 0
    longest: int = 0
    """Rows of the longest page seen."""
    capped: bool = False
    """The server has answered with fewer rows than asked for where there were more."""
    widen: bool = False
    overlap: int = field(init=False)
    descends: bool = True
    """The server has not been caught ignoring a descending order."""
    beyond: str = ""
    """Greatest cursor, beyond `last`, that the last look at the list's end has shown."""
    unlinked: int = 0
    """Pages that failed to link since the list's end was last looked at for that reason."""
    misses: int = 0
    """Pages that led no further, less those that made up for them."""
    reached: int | None = None
    """Where the last page that led further ended."""
    caught_up: int = 0
    """Rows read since something new came."""

    def __post_init__(self) -> None:
        self.overlap = 1 if self.cursor.unique else 2

    def run(self) -> Iterator[ScanBatch]:
        if self.last.value:
            yield from self._without_cursor()
            if (batch := self._tail()) is not None:
                yield batch
                return
            if self.descends:
                hint = self.last.offset
                if hint is None or self._is_before(hint + 10 * self.limit):
                    self.offset = self._seek(None)
                else:
                    # A page that begins early links even when a few rows have moved left.
                    self.offset = max(0, hint - self.limit // 8)
        stuck = 0
        while True:
            page = self._next()
            offset, value = self.offset, self.last.value
            batch = self._take(page)
            if batch.rows:
                yield batch
            further = self._leads_further(page, offset, value)
            short = self._is_short(page)
            end = self._whole(page, offset) or self._end(page, offset, likely=short or not further)
            if end is not None:
                yield end
                return
            stuck = 0 if further else stuck + 1
            if further:
                self.widen = False
            elif stuck > 1 and not short:
                self._widen()

    def _leads_further(self, page: Page, offset: int, value: str) -> bool:
        """Return whether a page at an offset has led further than a value, or may lead there."""
        if self.last.value > value:
            self.misses, self.caught_up = max(0, self.misses - WORTH), 0
            self.reached = self.last.offset
            return True
        self.caught_up += len(page.rows)
        if self.offset > offset and self.caught_up <= CATCH_UP * self.limit:
            return True
        why = (
            "though descending order shows more rows: the server serves no offsets from there on, "
            "or pages are cut to single rows"
            if self.beyond
            else "since it changes faster than it can be read, pages are cut to single rows, or it "
            "is always answered from its beginning"
        )
        self._miss(offset, f"leads no further than offset {{}}, {why}")
        return False

    def _miss(self, offset: int, what: str) -> None:
        self.misses += 1
        if self.misses >= MOST_MISSES:
            reached = offset if self.reached is None else self.reached
            raise ScanError(f"the list, sorted by {self.cursor.by}, {what.format(reached)}")

    def _next(self) -> Page:
        """Return a page that is linked to what was read; `offset` says where it was found."""
        stepped_back = False
        while True:
            page = self._fetch(self.offset, self.widest if self.widen else self.limit)
            if self.offset == 0 or self._links(page.rows):
                return page
            self.unlinked += 1
            self._miss(
                self.offset,
                "moves at every request, or is not served beyond offset {}: no page of it can be "
                "linked to the one before",
            )
            if stepped_back:
                self.offset = self._seek(self.offset)
            else:
                self.offset = max(0, self.offset - max(1, self.limit // 8))
            stepped_back = True

    def _fetch(self, offset: int, limit: int) -> Page:
        page = self.fetch(
            PageRequest(self.cursor.by, offset, limit, overlap=self.overlap, widest=self.widen)
        )
        self.longest = max(self.longest, len(page.rows))
        return page

    def _links(self, rows: Sequence[Row]) -> bool:
        """Return whether a page of these rows leaves no gap behind `last`."""
        value = next((v for v in map(self.cursor.value, rows) if v is not None), None)
        if value is None:
            return False
        return value < self.last.value or (self.cursor.unique and value == self.last.value)

    def _is_short(self, page: Page) -> bool:
        expected = min(page.asked, self.longest) if self.capped else page.asked
        return len(page.rows) < expected

    def _take(self, page: Page) -> ScanBatch:
        """Take what is new from a linked page, and step to where the next one begins."""
        values = self._values(page.rows)
        new = self._new(page.rows, values)
        if not values:
            return ScanBatch(new, self.last)
        end = self.offset + len(values)
        if values[-1] >= self.last.value:
            group = bisect_left(values, values[-1])
            ids = frozenset(map(self.cursor.identity, page.rows[group:]))
            if values[-1] == self.last.value:
                ids |= self.last.ids
            self.last = replace(self.last, value=values[-1], ids=ids, offset=end - 1)
            needed = 1 if self.cursor.unique else len(values) - group + 1
        else:
            needed = 1
        if needed <= self.limit // 8:
            self.overlap = max(self.overlap, needed)
        self.offset = max(0, end - max(needed, min(self.overlap, len(values) - 1)))
        return ScanBatch(new, self.last)

    def _values(self, rows: Sequence[Row]) -> list[str]:
        """Return the rows' cursors.

        Raises:
            OutOfOrderError: They are not in ascending order.
        """
        found = list(map(self.cursor.value, rows))
        values = self._filled(found) if None in found else cast("list[str]", found)
        if not all(map(operator.le, values, islice(values, 1, None))):
            raise OutOfOrderError(f"the server does not keep to the order of {self.cursor.by}")
        return values

    def _filled(self, found: Sequence[str | None]) -> list[str]:
        """Give rows whose cursor cannot be compared that of the row before them."""
        first = next((value for value in found if value is not None), self.last.value)
        before = min(first, self.last.value)
        return [before := before if value is None else value for value in found]

    def _new(self, rows: Sequence[Row], values: Sequence[str]) -> list[Row]:
        """Return the rows that have not been handed out: those beyond `last`, and new ties."""
        ties, beyond = bisect_left(values, self.last.value), bisect_right(values, self.last.value)
        fresh = [row for row in rows[ties:beyond] if self.cursor.identity(row) not in self.last.ids]
        return [*fresh, *rows[beyond:]]

    def _widen(self) -> None:
        """Deal with full pages that led nowhere: a group of ties may fill them."""
        if self.cursor.unique:
            return
        if self.widen or self.widest <= self.limit:
            raise CannotSortError(f"one value of {self.cursor.by} fills a whole page")
        self.widen = True

    def _whole(self, page: Page, offset: int) -> ScanBatch | None:
        """Return the last batch if a page shows the whole list as it was at that moment."""
        whole = offset == 0 and len(page.rows) < min(page.asked, self.gives)
        return ScanBatch((), self.last) if whole else None

    def _end(self, page: Page, offset: int, *, likely: bool) -> ScanBatch | None:
        """Return the last batch if the list provably ends behind this page, else None.

        Where that is not likely, ask all the same once enough pages have failed to link: rows may
        come and go as fast as pages are read, and only a look at the tail ends that.

        That nothing is behind the page would not do: rows before it may have gone in between,
        and unseen ones have moved into its place. The same page once more shows that none have.
        """
        if not likely:
            if self.unlinked < MISSES_BEFORE_TAIL:
                return None
            self.unlinked = 0
            return self._tail(max(TAIL_ROWS, 2 * self.limit))
        if (tail := self._tail()) is not None:
            return tail
        behind = PageRequest(self.cursor.by, offset + len(page.rows), 1, probe=True)
        if self.beyond or self.fetch(behind).rows:
            self.capped = self.capped or self._is_short(page)
            return None
        again = self.fetch(PageRequest(self.cursor.by, offset, page.asked))
        if len(again.rows) == len(page.rows) and self._reached(again) == self._reached(page):
            return ScanBatch((), self.last)
        return None

    def _reached(self, page: Page) -> set[Hashable]:
        """Return what tells the rows from `last` on; of those before it others may come up."""
        identity, value = self.cursor.identity, self.cursor.value
        return {identity(row) for row in page.rows if (value(row) or "") >= self.last.value}

    def _tail(self, count: int = TAIL_ROWS) -> ScanBatch | None:
        """Return all that is new at the list's end, if one look at it reaches back to `last`.

        Descending order counts offsets from the end, so that no change further left matters:
        one answer shows everything beyond `last` that there is at that moment.
        """
        self.beyond = ""
        if not self.descends:
            return None
        limit = min(self.widest, count + len(self.last.ids))
        page = self.fetch(PageRequest(f"-{self.cursor.by}", 0, limit))
        if not page.asked:
            return None
        rows = list(reversed(page.rows))
        if not rows and not self.longest and not self.last.value:
            # Nothing from its beginning and nothing from its end: the list is empty.
            return ScanBatch((), self.last)
        try:
            values = self._values(rows)
        except CannotSortError:
            values = []
        # A server that ignores the order has answered with the list's first rows.
        self.descends = bool(values) and values[-1] > (self.last.lowest or "")
        if not self.descends or not self._links(rows) or values[0] == values[-1]:
            # Without two different values there is no proof that these are the last rows.
            if values and values[-1] > self.last.value:
                self.beyond = values[-1]
            return None
        new = self._new(rows, values)
        if values[-1] > self.last.value:
            ties = bisect_left(values, values[-1])
            hint = None if self.last.offset is None else self.last.offset + len(new)
            ids = frozenset(map(self.cursor.identity, rows[ties:]))
            self.last = replace(self.last, value=values[-1], ids=ids, offset=hint)
        elif new:
            ids = self.last.ids | frozenset(map(self.cursor.identity, new))
            self.last = replace(self.last, ids=ids)
        return ScanBatch(new, self.last)

    def _seek(self, hint: int | None) -> int:
        """Return an offset at most a page before the first row at `last`, or 0.

        Asks for single rows: galloping from the hint, or from the list's beginning, until the
        place is enclosed, then halving.
        """
        if hint is None:
            low, high = 0, 10 * self.limit
            while high < MOST_ROWS and self._is_before(high):
                low, high = high, 10 * high
        else:
            step = self.limit // 2 + 1
            low, high = max(0, hint - step), hint
            while low > 0 and not self._is_before(low):
                step *= 8
                low, high = max(0, low - step), low
        while high - low > self.limit:
            middle = (low + high) // 2
            if self._is_before(middle):
                low = middle
            else:
                high = middle
        return low

    def _is_before(self, offset: int) -> bool:
        """Return whether the row at an offset lies before `last`."""
        look = PageRequest(self.cursor.by, offset, 1, probe=True, optional=True)
        rows = self.fetch(look).rows
        value = self.cursor.value(rows[0]) if rows else None
        return value is not None and value < self.last.value

    def _without_cursor(self) -> Iterator[ScanBatch]:
        """Hand out the rows without a cursor: they sort first, so one look tells if any are."""
        if self.cursor.unique or self.last.lowest is not None:
            return
        first = self.fetch(PageRequest(self.cursor.by, 0, 1, probe=True)).rows
        if not first:
            return
        self.last = replace(self.last, lowest=self.cursor.value(first[0]))
        if self.last.lowest or not self.undated:
            return
        for limit in (self.limit, self.widest):
            page = self.fetch(PageRequest(self.cursor.by, 0, limit, widest=limit > self.limit))
            values = self._values(page.rows)
            count = bisect_right(values, "")
            if count < len(values):
                yield ScanBatch(page.rows[:count], self.last)
                return
        raise CannotSortError(f"rows without {self.cursor.by} fill a whole page")
