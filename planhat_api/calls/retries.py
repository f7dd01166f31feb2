"""The one retry policy: which failures are tried again, after how long, and for how long."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from planhat_api import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from planhat_api.calls.budget import CallBudget

LONGEST_WAIT = 60.0
"""Seconds: the ceiling of the growing wait between retries."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class RetryLimits:
    """Seconds from the start of a call after which a failure of it is final."""

    any: float
    too_much: float
    """For failures that a smaller request may not have."""
    unreachable: float
    """Where no connection can be made."""

    def of(self, error: errors.RetriableError) -> float:
        """Return those for a failure."""
        most = min(self.any, self.too_much) if error.too_much else self.any
        return min(most, self.unreachable) if isinstance(error, errors.UnreachableError) else most


class Outage:
    """Tells of failures that come one after the other, in whatever thread: once, and of their end.

    An attempt begun before the end of an outage belongs to it, and one begun before the first
    failure shows nothing of its end.
    """

    def __init__(self) -> None:
        """Know of none."""
        self._began = self._ended = -math.inf
        self._failures = 0
        """Those since `_began`; 0: Planhat answers."""
        self._limited = False
        self._lock = threading.Lock()

    def failed(self, error: errors.RetriableError, begun: float, wait: float) -> None:
        """Take note of a failure that is tried again, and log it if it is the first.

        Args:
            error: The failure.
            begun: When the attempt was begun, by `time.monotonic`.
            wait: Seconds until the next.
        """
        limited = isinstance(error, errors.RateLimitedError)
        with self._lock:
            late = begun < self._ended
            known = late or (self._failures > 0 and limited == self._limited)
            if not late:
                self._began = self._began if self._failures else time.monotonic()
                self._failures += 1
                self._limited = limited
        level = logging.DEBUG if known else logging.WARNING
        logger.log(level, "%s; trying again in %.1f s", error.what, wait)

    def passed(self, begun: float) -> None:
        """Take note of an answer, and log it if it ends several failures.

        Args:
            begun: As for `failed`.
        """
        if self._failures == 0:
            return
        with self._lock:
            if begun < self._began:
                return
            failures, self._failures = self._failures, 0
            self._ended = time.monotonic()
            seconds = self._ended - self._began
        if failures > 1:
            logger.info("Planhat answers again, after %.0f s", seconds)


def retry(
    attempt: Callable[[], T],
    *,
    limits: RetryLimits,
    repeatable: bool,
    budget: CallBudget,
    outage: Outage,
) -> T:
    """Return the result of an attempt, repeating it while that may help.

    The waits grow, with full jitter, and are never shorter than the server asked for.

    Args:
        attempt: What to do.
        limits: When a failure is final.
        repeatable: Whether doing it twice does no harm. If not, only what is known not to have
            been done is tried again.
        budget: Where the waits are spent; it holds back every other call where the server asks
            for that.
        outage: Tells of failures.

    Raises:
        RetriableError: The last failure, which says how often and how long it was tried.
        StoppedError: The budget was stopped during a wait.
        PlanhatError: A failure that would be the same next time.
    """
    started = time.monotonic()

    def is_final(error: errors.RetriableError, tries: int, elapsed: float) -> bool:
        most = limits.of(error)
        asked = error.retry_after or 0.0
        if not repeatable and not error.not_done:
            error.note = "not sent again: it may have been carried out, and twice would harm"
        elif budget.stopped:
            error.note = "not sent again, as the run is to end"
        elif asked and elapsed + asked > limits.any:
            error.note = f"asked to wait {asked:.0f} s, longer than retry_timeout allows"
        elif elapsed >= most and tries > 1:
            error.note = f"gave up after {tries} tries in {elapsed:.0f} s"
        # It would be as large the next time.
        too_large = isinstance(error, errors.ResponseTooLargeError)
        return bool(error.note) or too_large or elapsed >= most

    tries = 0
    while True:
        begun = time.monotonic()
        try:
            result = attempt()
        except errors.RetriableError as error:
            tries += 1
            elapsed = time.monotonic() - started
            if is_final(error, tries, elapsed):
                raise
            wait = _held(budget, error, _wait(tries, error, limits.any - elapsed))
            outage.failed(error, begun, wait)
            errors.release(error)
        else:
            outage.passed(begun)
            return result
        budget.sleep(wait, "retries")


def _wait(tries: int, error: errors.RetriableError, left: float) -> float:
    """Return the seconds to wait after so many tries, no more than are left."""
    ceiling = min(2.0 ** (tries - 1), LONGEST_WAIT)
    wait = random.uniform(0, ceiling)  # noqa: S311 - no secret
    return min(max(wait, error.retry_after or 0.0), left)


def _held(budget: CallBudget, error: errors.RetriableError, wait: float) -> float:
    """Hold other calls back too where the server asks for that; return the seconds to wait then."""
    if isinstance(error, errors.RateLimitedError) or error.retry_after is not None:
        budget.pause(wait)
    return max(wait, budget.hold())
