"""Makes the calls of a check: few, counted, and with an eye on how they were answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from planhat_api.calls.responses import ResponseReader
from planhat_api.calls.transport import Transport
from planhat_api.client import LARGEST_PAGE
from planhat_api.dates import ServerClock
from planhat_api.errors import PlanhatError, RetriableError
from planhat_api.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_api.calls.responses import UpsertResponse
    from planhat_api.calls.transport import Response
    from planhat_api.resources import ReadOnlyList, Resource
    from planhat_api.settings import ClientSettings

MOST_READS = 30
"""Calls that read, in a check."""
T = TypeVar("T")
_LONGEST_WAIT = 5.0
_RATE_LIMITS = ("x-rate", "ratelimit", "retry-after")


class NotAskedError(PlanhatError):
    """The calls of the check were used up before this one."""


@dataclass(frozen=True)
class TimedPage:
    """Rows of a list, and what it took to get them."""

    rows: list[dict[str, Any]]
    size: int
    """Bytes of JSON."""
    seconds: float


class Caller:
    """Calls one tenant; a call that fails for a reason that may pass is made once more."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        tell: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: Host and token.
            tell: Shows how far the check has come; called before each call.
            pause: Waits for so many seconds.
        """
        self.hide = Redactor(settings.token)
        self.host = settings.base_url
        self.clock = ServerClock()
        self.calls = 0
        """Calls that read."""
        self.failures: list[str] = []
        """Failures that may be temporary, also those of calls that then succeeded."""
        self.limits: dict[str, str] = {}
        """Headers of the last answer that speak of a rate limit."""
        self._transport = Transport(settings, self.hide, connections=1)
        self._reader = ResponseReader(self.hide)
        self._tell = tell
        self._pause = pause

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def page(self, what: Resource | ReadOnlyList, params: Mapping[str, str | int]) -> TimedPage:
        """Return one page of a list.

        Raises:
            PlanhatError: No page came back.
        """

        def read(response: Response, call: str) -> TimedPage:
            rows = self._reader.rows(response, call)
            return TimedPage(rows, len(response.body), time.monotonic() - began)

        began = time.monotonic()
        try:
            return self._read(what.path, read, params)
        except RetriableError as error:
            self._pause(min(error.retry_after or 1.0, _LONGEST_WAIT))
            began = time.monotonic()
            return self._read(what.path, read, params)

    def get(self, resource: Resource, key: str) -> dict[str, Any] | None:
        """Return a record; None if there is no such record."""
        return self._send("GET", f"{resource.path}/{key}", self._reader.record)

    def upsert(self, resource: Resource, body: bytes) -> UpsertResponse:
        """Send a bulk upsert once."""
        return self._send("PUT", resource.path, self._reader.upserted, data=body)

    def delete(self, resource: Resource, record_id: str) -> bool:
        """Delete a record; return False if it was gone already."""
        return self._send("DELETE", f"{resource.path}/{record_id}", self._reader.deleted)

    def _read(
        self,
        path: str,
        read: Callable[[Response, str], TimedPage],
        params: Mapping[str, str | int],
    ) -> TimedPage:
        if self.calls >= MOST_READS:
            raise NotAskedError(f"GET {path}", f"not asked: the check makes {MOST_READS} calls")
        self.calls += 1
        try:
            return self._send("GET", path, read, params=params)
        except RetriableError as error:
            self.failures.append(error.what)
            raise

    def _send(
        self,
        method: str,
        path: str,
        read: Callable[[Response, str], T],
        *,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
    ) -> T:
        call = f"{method} {path}"
        self._tell(f"{self.calls} of at most {MOST_READS} calls, {call} ...")
        response = self._transport.send(method, path, call, params, data, largest=LARGEST_PAGE)
        self.clock.learn(response.headers.get("Date"))
        self.limits = {
            name: self.hide(value)
            for name, value in response.headers.items()
            if name.lower().startswith(_RATE_LIMITS)
        } or self.limits
        return read(response, call)
