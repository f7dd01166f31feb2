"""The one retry policy: which failures are tried again, after how long, and for how long."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

import backoff

from planhat_api import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

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
    pause: Callable[[float], None],
) -> T:
    """Return what an attempt returns, making it again while it may help.

    Args:
        attempt: What to do.
        limit: Seconds from the start after which a failure is final.
        too_much_limit: The same for failures that a smaller request may not have.
        repeatable: Whether doing it twice does no harm. If not, only what is known not to have
            been done is tried again.
        pause: Holds back every other call for so many seconds, when the server asks for that.

    Raises:
        RetriableError: The last failure, which says how often and how long it was tried.
        PlanhatError: A failure that would be the same next time.
    """
    started = time.monotonic()

    def final(error: Any) -> bool:
        elapsed = time.monotonic() - started
        asked = error.retry_after or 0.0
        if not repeatable and not error.not_done:
            error.note = "not sent again: it may have been carried out, and twice would harm"
        elif elapsed + asked > limit and asked > 0:
            error.note = f"asked to wait {asked:.0f} s, longer than retry_timeout allows"
        return bool(error.note) or (error.too_much and elapsed >= too_much_limit)

    def before_wait(details: Any) -> None:
        error, wait = details["exception"], details["wait"]
        if isinstance(error, errors.RateLimitedError) or error.retry_after is not None:
            pause(wait)
        logger.warning("%s; trying again in %.1f s", error.what, wait)
        errors.release(error)

    def given_up(details: Any) -> None:
        error, tries = details["exception"], details["tries"]
        if not error.note and tries > 1:
            error.note = f"gave up after {tries} tries in {details['elapsed']:.0f} s"

    retrying = backoff.on_exception(
        _waits,
        errors.RetriableError,
        max_time=limit,
        jitter=None,  # _waits has it: what a server asks for must not be shortened by it.
        giveup=final,
        on_backoff=before_wait,
        on_giveup=given_up,
        logger=None,
    )
    return retrying(attempt)()


def _waits() -> Generator[float, errors.RetriableError, None]:
    """Yield the waits between retries: growing, with full jitter, never less than asked for."""
    error = yield 0.0
    ceiling = 1.0
    while True:
        error = yield max(backoff.full_jitter(ceiling), error.retry_after or 0.0)
        ceiling = min(2 * ceiling, LONGEST_WAIT)
