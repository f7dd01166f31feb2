"""The one retry policy: which failures are tried again, after how long, and for how long."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, TypeVar

from planhat_api import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from planhat_api.calls.budget import CallBudget

LONGEST_WAIT = 60.0
"""Seconds: the ceiling of the growing wait between retries."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


def retry(
    attempt: Callable[[], T],
    *,
    limit: float,
    too_much_limit: float,
    repeatable: bool,
    budget: CallBudget,
) -> T:
    """Return the result of an attempt, repeating it while that may help.

    The waits grow, with full jitter, and are never shorter than the server asked for.

    Args:
        attempt: What to do.
        limit: Seconds from the start after which a failure is final.
        too_much_limit: The same for failures that a smaller request may not have.
        repeatable: Whether doing it twice does no harm. If not, only what is known not to have
            been done is tried again.
        budget: Where the waits are spent; it holds back every other call where the server asks
            for that.

    Raises:
        RetriableError: The last failure, which says how often and how long it was tried.
        StoppedError: The budget was stopped during a wait.
        PlanhatError: A failure that would be the same next time.
    """
    started = time.monotonic()

    def is_final(error: errors.RetriableError, tries: int, elapsed: float) -> bool:
        most = min(limit, too_much_limit) if error.too_much else limit
        asked = error.retry_after or 0.0
        if not repeatable and not error.not_done:
            error.note = "not sent again: it may have been carried out, and twice would harm"
        elif budget.stopped:
            error.note = "not sent again, as the run is to end"
        elif asked and elapsed + asked > limit:
            error.note = f"asked to wait {asked:.0f} s, longer than retry_timeout allows"
        elif elapsed >= most and tries > 1:
            error.note = f"gave up after {tries} tries in {elapsed:.0f} s"
        # It would be as large the next time.
        too_large = isinstance(error, errors.ResponseTooLargeError)
        return bool(error.note) or too_large or elapsed >= most

    tries = 0
    while True:
        try:
            return attempt()
        except errors.RetriableError as error:
            tries += 1
            elapsed = time.monotonic() - started
            if is_final(error, tries, elapsed):
                raise
            wait = _wait(tries, error.retry_after or 0.0, limit - elapsed)
            if isinstance(error, errors.RateLimitedError) or error.retry_after is not None:
                budget.pause(wait)
            wait = max(wait, budget.hold())
            logger.warning("%s; trying again in %.1f s", error.what, wait)
            errors.release(error)
        budget.sleep(wait, "retries")


def _wait(tries: int, asked: float, left: float) -> float:
    """Return the seconds to wait after so many tries, no more than are left."""
    ceiling = min(2.0 ** (tries - 1), LONGEST_WAIT)
    return min(max(random.uniform(0, ceiling), asked), left)  # noqa: S311 - no secret
