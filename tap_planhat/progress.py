"""Progress of a reading, in the log every 30 seconds.

Only tells; a reading goes on as it would without it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from planhat_api.errors import PlanhatError
from planhat_api.scan import MOST_ROWS, PageRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from planhat_api.scan import Page

INTERVAL = 30.0
"""Seconds between two lines."""
PRECISION = 50
"""A list's length is found out to one part in so many."""

logger = logging.getLogger("tap-planhat")


class Progress:
    """Counts a stream's rows, and tells of them now and then."""

    def __init__(self, stream: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock."""
        self._stream = stream
        self._clock = clock
        self._rows = 0
        self._started = self._told = clock()
        self.begin_list()

    def begin_list(self) -> None:
        """Note that another list of the stream is read from now on."""
        self._length: int | None = None
        self._asked = False
        self._list_started = self._clock()
        self._first: int | None = None

    def add(
        self,
        rows: int,
        *,
        offset: int | None = None,
        length: Callable[[], int | None] | None = None,
    ) -> None:
        """Count rows; say how far the reading has come if it is time to.

        Args:
            rows: Rows emitted.
            offset: How far down the list they were.
            length: Finds out how long the list is, None if it cannot; None: it is not read to its
                end anyway.
        """
        self._rows += rows
        now = self._clock()
        if self._first is None:
            self._first = offset
        if now - self._told < INTERVAL:
            return
        self._told = now
        text = f"{self._rows:,} rows, {self._rows / (now - self._started):,.0f} a second"
        if length is not None and offset is not None and self._first is not None:
            if not self._asked:
                # Once, even in vain: it is not to cost the reading more than that.
                self._length, self._asked = length(), True
            if self._length is not None:
                text += self._share(offset + 1, self._length, now)
        logger.info("%s: %s", self._stream, text)

    def _share(self, done: int, length: int, now: float) -> str:
        total = max(done, length)
        read = done - (self._first or 0)
        left = (total - done) * (now - self._list_started) / read if read > 0 else 0.0
        return f"; {done / total:.0%} of about {total:,} in this list, {_span(left)} left"


def count_rows(fetch: Callable[[PageRequest], Page], sort: str, at_least: int) -> int | None:
    """Return about how many rows a list has, by asking for single ones; None if that fails.

    Args:
        fetch: Answers a request with one page.
        sort: Any order.
        at_least: Rows it is known to have.
    """

    def reaches(rows: int) -> bool:
        return bool(fetch(PageRequest(sort, rows - 1, 1, probe=True, optional=True)).rows)

    low, high = at_least, 2 * at_least + 1
    try:
        while reaches(high):
            if high > MOST_ROWS:
                # The server pays no heed to the offset.
                return None
            low, high = high, 2 * high
        while high - low > max(1, low // PRECISION):
            middle = (low + high) // 2
            if reaches(middle):
                low = middle
            else:
                high = middle
    except PlanhatError:
        return None
    return low


def _span(seconds: float) -> str:
    minutes = int(seconds / 60 + 0.5)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
