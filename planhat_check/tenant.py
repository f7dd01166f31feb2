"""Looks at a whole tenant: may it be read, and what does each list show?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planhat_api.errors import (
    AuthenticationError,
    NotJsonError,
    PermissionDeniedError,
    PlanhatError,
    RetriableError,
    UnreachableError,
    UntrustedError,
)
from planhat_api.resources import CUSTOM_FIELDS, RESOURCES
from planhat_check.caller import NotAskedError
from planhat_check.checks import CHECKS
from planhat_check.cost import costs, lengths
from planhat_check.finding import TENANT, Finding, Status
from planhat_check.lists import ListProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from planhat_check.caller import Caller

ACCESS = "token and region"
"""The check that all others need."""
_HOPELESS = (AuthenticationError, UnreachableError, UntrustedError)
"""After the first call that ends so, others would too."""
_CLOCK_OFF = 60
"""Seconds by which this machine's clock may differ from Planhat's."""


def look(
    caller: Caller, *, requests_per_minute: int, now: Callable[[], datetime]
) -> Iterator[Finding]:
    """Look at a tenant, without writing.

    Args:
        caller: Calls it.
        requests_per_minute: Calls that the connectors may make.
        now: Returns this machine's time.

    Yields:
        What was found.
    """
    probes = [
        ListProbe(caller, resource, filters)
        for resource in RESOURCES.values()
        for filters in resource.lists
    ]
    readable: list[ListProbe] = []
    errors: list[PlanhatError] = []
    accepted = lost = False
    for probe in probes:
        finding, error = _may_read(probe)
        lost |= isinstance(error, RetriableError)
        if isinstance(error, _HOPELESS) and not accepted:
            yield _no_access(caller, error)
            yield from _not_seen(probes)
            return
        if not accepted and (error is None or isinstance(error, PermissionDeniedError)):
            accepted = True
            yield Finding(TENANT, ACCESS, Status.OK, f"accepted by {caller.host}")
        if error is None:
            readable.append(probe)
        else:
            errors.append(error)
        yield finding
    if not accepted:
        yield _unknown(TENANT, ACCESS, errors[0])
    fields = _custom_fields(caller)
    lost |= fields.status is Status.UNKNOWN
    yield fields
    for probe in readable:
        for name, each in CHECKS.items():
            try:
                yield from each(probe)
            except PlanhatError as error:
                lost |= isinstance(error, RetriableError)
                yield _unknown(probe.name, name, error)
    yield from costs(lengths(readable), requests_per_minute)
    yield _answers(caller, lost=lost)
    yield _rate_limit(caller.limits, requests_per_minute)
    yield from _clock(caller, now())


def _may_read(probe: ListProbe) -> tuple[Finding, PlanhatError | None]:
    try:
        count = len(probe.newest().rows)
    except PlanhatError as error:
        if isinstance(error, RetriableError):
            return _unknown(probe.name, "may be read", error), error
        return Finding(probe.name, "may be read", Status.FAIL, error.what, error.remedy), error
    return Finding(probe.name, "may be read", Status.OK, f"{count} rows came"), None


def _no_access(caller: Caller, error: PlanhatError) -> Finding:
    seen = f"{caller.host} answers: {error.what}"
    return Finding(TENANT, ACCESS, Status.FAIL, seen, error.remedy)


def _not_seen(probes: Sequence[ListProbe]) -> Iterator[Finding]:
    for probe in probes:
        yield Finding(probe.name, "may be read", Status.UNKNOWN, "not asked: see token and region")


def _unknown(resource: str, check: str, error: PlanhatError) -> Finding:
    return Finding(resource, check, Status.UNKNOWN, error.what, error.remedy)


def _custom_fields(caller: Caller) -> Finding:
    name = "custom fields"
    try:
        rows = caller.page(CUSTOM_FIELDS, {"limit": CUSTOM_FIELDS.max_limit or 0}).rows
    except PlanhatError as error:
        lost = isinstance(error, RetriableError) and not isinstance(error, NotJsonError)
        if lost or isinstance(error, NotAskedError):
            return _unknown(TENANT, name, error)
        why = "may not be read" if isinstance(error, PermissionDeniedError) else "cannot be read"
        follows = "with custom_fields: typed, types are guessed from sample rows"
        return Finding(TENANT, name, Status.WARN, f"their definitions {why}: {error.what}", follows)
    return Finding(TENANT, name, Status.OK, f"{len(rows)} definitions can be read")


def _answers(caller: Caller, *, lost: bool) -> Finding:
    """Return how the calls were answered, whatever they brought."""
    failed = caller.failures
    if not failed:
        return Finding(TENANT, "answers", Status.OK, f"{caller.calls} calls, all answered")
    seen = f"{len(failed)} of {caller.calls} calls failed, the first: {failed[0]}"
    follows = "each was made once more; the connectors try again for longer (retry_timeout)"
    return Finding(TENANT, "answers", Status.FAIL if lost else Status.WARN, seen, follows)


def _clock(caller: Caller, now: datetime) -> Iterator[Finding]:
    if caller.clock.heard:
        off = round((now - caller.clock.now()).total_seconds())
        seen = (
            f"this machine's clock is {abs(off)} s {'ahead of' if off > 0 else 'behind'} Planhat's"
        )
        status = Status.WARN if abs(off) > _CLOCK_OFF else Status.OK
        follows = "the tap goes by Planhat's clock; logs and files show this machine's"
        yield Finding(TENANT, "clock", status, seen, follows if status is Status.WARN else "")


def _rate_limit(limits: dict[str, str], requests_per_minute: int) -> Finding:
    if not limits:
        return Finding(TENANT, "rate limit", Status.OK, "answers name no rate limit")
    seen = ", ".join(f"{name}: {value}" for name, value in sorted(limits.items()))
    granted = [
        int(value)
        for name, value in limits.items()
        if name.lower().endswith("-limit") and value.isdecimal()
    ]
    if granted and min(granted) < requests_per_minute:
        follows = f"lower requests_per_minute, now {requests_per_minute}"
        return Finding(TENANT, "rate limit", Status.WARN, seen, follows)
    return Finding(TENANT, "rate limit", Status.OK, seen)
