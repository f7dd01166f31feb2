"""The call budget: no more than so many calls a minute, over all threads of a process."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW = 60.0
"""Seconds over which calls are counted."""
MOST_A_SECOND = 100
"""Calls that may begin in any one second: Planhat cuts off at 150, which others share."""


class CallBudget:
    """Lets at most `calls` calls begin in any 60 seconds, and not all at once; retries count.

    >>> budget = CallBudget(200)
    >>> budget.spend()  # before each call
    """

    def __init__(
        self,
        calls: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with the whole budget unspent.

        Args:
            calls: Calls a minute; with less than 1 none would ever begin.
            clock: Seconds that only ever grow.
            sleep: Waits for so many seconds.
        """
        self._calls = calls
        self._clock = clock
        self._sleep = sleep
        self._begun: deque[float] = deque()
        """When calls of the last 60 seconds began, oldest first."""
        self._not_before = clock()
        self._lock = threading.Lock()

    def spend(self) -> None:
        """Wait until a call may begin, and count it."""
        while (wait := self._reserve()) > 0:
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let no call begin for so many seconds, whichever thread asks."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def learn(self, limit: int | None, remaining: int | None) -> None:
        """Take over what the server says of its own count: other clients may share it.

        Args:
            limit: Calls the server grants in its window; a smaller one than ours holds from now.
            remaining: Calls left in the window; at none, wait until our oldest call has left it.
        """
        with self._lock:
            if limit is not None and 0 < limit < self._calls:
                self._calls = limit
            if remaining is not None and remaining <= 0 and self._begun:
                self._not_before = max(self._not_before, self._begun[0] + WINDOW)

    def _reserve(self) -> float:
        """Count a call and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            while self._begun and self._begun[0] <= now - WINDOW:
                self._begun.popleft()
            wait = self._not_before - now
            for most, window in ((self._calls, WINDOW), (MOST_A_SECOND, 1.0)):
                if len(self._begun) >= most:
                    wait = max(wait, self._begun[-most] + window - now)
            if wait <= 0:
                self._begun.append(now)
            return wait
