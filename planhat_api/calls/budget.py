"""The rate limit: at most so many calls a minute, over all threads of a process."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from planhat_api.dates import http_moment
from planhat_api.errors import StoppedError
from planhat_api.redact import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WINDOW = 60.0
"""Seconds over which calls are counted."""
LONGEST_RESET = 120
"""Seconds after which a rate-limit window of Planhat's has certainly ended."""
MOST_A_SECOND = 100
"""Calls that may begin in any one second: Planhat cuts off at 150, which others share."""
LEAST_LIMIT = 10
"""Least calls a minute that a header may grant; a smaller number must mean something else."""
_SPELLINGS = ("X-Rate-Limit-", "X-RateLimit-")
_WORTH_TELLING = 5.0
"""Seconds of waiting from which on the log says so."""
_EPOCH = 10**9
"""From here on a number of seconds is a Unix time, not a duration."""

logger = logging.getLogger(__name__)


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
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Start with the whole budget unspent.

        Args:
            calls: Calls a minute; with less than 1 none would ever begin.
            clock: Seconds that only ever grow.
            sleep: Waits for so many seconds; by default, or until `stop`.
        """
        self._most = calls
        self._granted = (calls, 0.0)
        """Calls a minute that the server grants, and until when that holds."""
        self._clock = clock
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._begun: deque[float] = deque()
        """When calls of the last 60 seconds began, oldest first."""
        self._not_before = clock()
        self._told_until = self._not_before
        self._held = False
        """Whether calls have waited since the server last said that some remain."""
        self._ignored: set[str] = set()
        """Headers that the log has already reported as ignored."""
        self._lock = threading.Lock()
        self.waited: defaultdict[str, float] = defaultdict(float)
        """Reason -> seconds waited, summed over all threads."""

    def spend(self) -> None:
        """Wait until a call may begin, and count it.

        Raises:
            StoppedError: After `stop`.
        """
        self._check_stop()
        while (wait := self._reserve()) > 0:
            self._tell(wait)
            self.sleep(wait, "rate limit")

    def sleep(self, seconds: float, why: str) -> None:
        """Wait.

        Args:
            seconds: How long.
            why: What `waited` counts them as.

        Raises:
            StoppedError: After `stop`, which ends the waiting.
        """
        with self._lock:
            self.waited[why] += seconds
        self._sleep(seconds)
        self._check_stop()

    def pause(self, seconds: float) -> None:
        """Let no call begin for so many seconds, whichever thread asks."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def stop(self) -> None:
        """Let no call begin any more; what waits for one raises StoppedError."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def hold(self) -> float:
        """Return the seconds until a call may begin, as things stand."""
        with self._lock:
            return max(0.0, self._wait())

    def learn(self, headers: Mapping[str, str]) -> None:
        """Apply the server's own count of calls: other clients may share it.

        A limit that is smaller than ours holds for two minutes after the last answer with it. With
        no calls remaining none begins until the server's window ends, but not twice in a row: if a
        server says so again and answers all the same, the header is wrong, or a 429 will follow.
        """
        limit = self._number(headers, "Limit", LEAST_LIMIT)
        remaining = self._number(headers, "Remaining", 0)
        if limit is None and remaining is None:
            return
        with self._lock:
            now = self._clock()
            if limit is not None:
                self._granted = (min(limit, self._most), now + 2 * WINDOW)
            if remaining is not None and remaining > 0:
                self._held = False
            elif remaining is not None and now >= self._not_before and self._begun:
                if self._held:
                    self._ignore("Remaining", "0, after a wait, with an answer all the same")
                    return
                self._held = True
                self._not_before = self._reset(headers, now)

    def _reset(self, headers: Mapping[str, str], now: float) -> float:
        """Return the end of the server's window, in which no calls remain."""
        seconds = self._number(headers, "Reset", 0)
        date = http_moment(headers.get("Date"))
        if seconds is not None and seconds >= _EPOCH and date is not None:
            seconds -= int(date.timestamp())
        if seconds is not None and 0 <= seconds <= LONGEST_RESET:
            return now + seconds
        if seconds is not None:
            self._ignore("Reset", str(seconds))
        return self._begun[0] + WINDOW

    def _number(self, headers: Mapping[str, str], name: str, least: int) -> int | None:
        """Return the number of a header, in either spelling; None without a usable one."""
        for spelling in _SPELLINGS:
            text = headers.get(spelling + name)
            if text is not None:
                if re.fullmatch(r"[0-9]{1,15}", text) and int(text) >= least:
                    return int(text)
                self._ignore(name, shown(text))
        return None

    def _ignore(self, name: str, value: str) -> None:
        if name not in self._ignored:
            self._ignored.add(name)
            logger.warning(
                "Planhat's rate-limit header %s%s is ignored: it says %s",
                _SPELLINGS[0],
                name,
                value,
            )

    def _check_stop(self) -> None:
        if self.stopped:
            raise StoppedError("No further call is made, as the run is to end")

    def _tell(self, wait: float) -> None:
        """Log a long wait, once for all threads."""
        with self._lock:
            until = self._clock() + wait
            if wait < _WORTH_TELLING or until <= self._told_until + 1:
                return
            self._told_until = until
        logger.info("Waiting %.1f s for the rate limit: other calls have used it up", wait)

    def _reserve(self) -> float:
        """Count a call and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            wait = self._wait()
            if wait <= 0:
                self._begun.append(self._clock())
            return wait

    def _wait(self) -> float:
        now = self._clock()
        while self._begun and self._begun[0] <= now - WINDOW:
            self._begun.popleft()
        granted, until = self._granted
        wait = self._not_before - now
        for most, window in (
            (granted if now < until else self._most, WINDOW),
            (MOST_A_SECOND, 1.0),
        ):
            if len(self._begun) >= most:
                wait = max(wait, self._begun[-most] + window - now)
        return wait
