"""Progress of a sync, in the log every 30 seconds.

Only tells what the sync knows anyway: it asks Planhat nothing, so it cannot say how much is left.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tap_planhat.instants import day_of

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 30.0
"""Seconds between two lines."""

logger = logging.getLogger("tap-planhat")


class Progress:
    """Counts a stream's records, and logs how far the sync has come now and then."""

    def __init__(self, stream: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock."""
        self._stream = stream
        self._clock = clock
        self._records = 0
        self._started = self._told = clock()

    def add(self, records: int, reached: str = "") -> None:
        """Count records; log a line if it is time to.

        Args:
            records: Records emitted.
            reached: The cursor (an instant or an `_id`) up to which the list has been read.
        """
        self._records += records
        now = self._clock()
        if now - self._told < INTERVAL:
            return
        self._told = now
        rate = self._records / (now - self._started)
        text = f"{self._stream}: {self._records:,} records, {rate:,.0f} a second"
        if day := day_of(reached):
            text += f"; this list is read up to {day}"
        logger.info("%s", text)
