"""Progress of a sync: a line in the log every 30 seconds, on a terminal one that is renewed.

Only tells what the sync knows anyway: it asks Planhat nothing. How much is left it can say only of
a list that is read from its beginning once more, by the rows that the last sync came to.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

from tap_planhat.instants import day_of

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 30.0
"""Seconds between two lines of the log."""
LIVE_INTERVAL = 0.5
"""Seconds after which the line on a terminal is renewed."""
CLEAR = "\r\x1b[K"
"""Empties the terminal's line."""
_FEW = 2
"""Minutes and hours from which on smaller units are not told."""

logger = logging.getLogger("tap-planhat")


class Progress:
    """Counts a stream's records, and tells how far its sync has come now and then."""

    def __init__(self, stream: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock."""
        self._stream = stream
        self._clock = clock
        self._records = 0
        self._started = self._told = clock()
        self._length = 0
        """Rows of the list, as far as known."""
        self._first: tuple[int, float] | None = None
        """An early offset in the list, and when it was reached."""
        self._live = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()

    def begin_list(self, length: int = 0) -> None:
        """Begin with a list.

        Args:
            length: Rows that it had when last read; 0: not known.
        """
        self._length, self._first = length, None

    def add(self, records: int, reached: str = "", offset: int | None = None) -> None:
        """Count records; tell how far the sync has come if it is time to.

        Args:
            records: Records emitted.
            reached: The cursor (an instant or an `_id`) up to which the list has been read.
            offset: Where in the list that is.
        """
        self._records += records
        now = self._clock()
        if self._first is None and offset is not None:
            self._first = offset, now
        if now - self._told < (LIVE_INTERVAL if self._live else INTERVAL):
            return
        self._told = now
        text = f"{self._stream}: {self._counted(now)}"
        if day := day_of(reached):
            text += f"; this list is read up to {day}"
        text += self._left(offset or 0, now)
        if self._live:
            # What is logged meanwhile begins where this line does.
            sys.stderr.write(f"{CLEAR}{text}\r")
            sys.stderr.flush()
        else:
            logger.info("%s", text)

    def end(self, kind: str, calls: int, bookmark: str) -> None:
        """Log what the sync of the stream did.

        Args:
            kind: Full sync, incremental sync, rescan or full table.
            calls: Calls made for it, retries counted.
            bookmark: Up to where the stream has been read; "" where that is not kept.
        """
        if self._live:
            sys.stderr.write(CLEAR)
        now = self._clock()
        logger.info(
            "%s: %s done in %.1f s: %s, %d calls, %s",
            self._stream,
            kind,
            now - self._started,
            self._counted(now),
            calls,
            f"bookmark {bookmark}" if bookmark else "no bookmark",
        )

    def _left(self, offset: int, now: float) -> str:
        """Return what share of the list is read, and the time left, if that is known."""
        first, since = self._first or (offset, now)
        left = self._length - 1 - offset
        if offset <= first or left <= 0:
            return ""
        seconds = left * (now - since) / (offset - first)
        share = 100 * (offset + 1) // self._length
        return f"; {share}% of the {self._length:,} rows of last time, {_duration(seconds)} left"

    def _counted(self, now: float) -> str:
        rate = self._records / max(now - self._started, 0.001)
        return f"{self._records:,} records, {rate:,.0f} a second"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < _FEW:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 * _FEW else f"{minutes / 60:.0f} h"
