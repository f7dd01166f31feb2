"""The HTTP client of both connectors: one method for each call to Planhat.

Puts together transport (one request), responses (what it brought), retries (whether to send it
again) and budget (when).
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from planhat_api import errors
from planhat_api.calls.budget import CallBudget
from planhat_api.calls.responses import ResponseReader, UpsertResponse
from planhat_api.calls.retries import Outage, RetryLimits, retry
from planhat_api.calls.transport import LARGEST_RESPONSE, Transport
from planhat_api.dates import ServerClock
from planhat_api.redact import Redactor, shown
from planhat_api.settings import ClientSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_api.calls.responses import UndecodedPage
    from planhat_api.calls.transport import Response
    from planhat_api.resources import ReadOnlyList, Resource

__all__ = ["ClientSettings", "PlanhatClient", "UpsertResponse"]

LARGEST_PAGE = 256_000_000
"""Bytes that a page of a list may have, decompressed."""

T = TypeVar("T")


class PlanhatClient:
    """Calls Planhat, from any number of threads; retries what may pass, within the rate limit.

    >>> client = PlanhatClient(ClientSettings(api_token="...", region="eu2"))
    >>> for task in client.list_rows(TASKS, {"limit": 2, "sort": "_id", "select": "action"}):
    ...     print(task["_id"], task["action"])
    61f1ab0e2c1d3a0011aa0001 Call the sponsor
    61f1ab0e2c1d3a0011aa0002 Renewal meeting
    >>> client.get(TASKS, "srcid-none") is None
    True
    >>> client.close()
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        connections: int = 4,
        budget: CallBudget | None = None,
        unreachable_timeout: float | None = None,
    ) -> None:
        """Open nothing yet: the first call connects.

        Args:
            settings: Host, token and limits.
            connections: Calls that may be under way at once; connections kept for reuse.
            budget: Calls a minute; by default what the settings say.
            unreachable_timeout: Seconds, when not the `retry_timeout` of the settings, after which
                it is final that no connection can be made.
        """
        hide = Redactor(settings.token)
        self.clock = ServerClock()
        """The server's time; this machine's until the first answer."""
        self.calls: Counter[str] = Counter()
        """Method and list, such as `GET /tasks` -> calls made, retries counted."""
        self._lock = threading.Lock()
        self._retry_timeout = settings.retry_timeout
        self._unreachable_timeout = (
            settings.retry_timeout if unreachable_timeout is None else unreachable_timeout
        )
        self._outage = Outage()
        self._budget = budget or CallBudget(settings.requests_per_minute)
        self._transport = Transport(settings, hide, connections)
        self._reader = ResponseReader(hide)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def stop(self, within: float = 0.0) -> None:
        """Let no call begin any more, and end those under way. Thread-safe.

        Calls that wait for the rate limit, a retry or an answer raise StoppedError or their last
        failure. A bulk upsert that is cut off may have been carried out.

        Args:
            within: Seconds that the calls under way may still take.
        """
        self._budget.stop()
        self._transport.end_within(within)

    @property
    def waited(self) -> dict[str, float]:
        """Reason -> seconds waited between calls, summed over all threads."""
        return dict(self._budget.waited)

    def list_rows(
        self,
        resource: Resource | ReadOnlyList,
        params: Mapping[str, str | int],
        *,
        retry_timeout: float | None = None,
        give_up_after: float | None = None,
    ) -> list[dict[str, Any]]:
        """Return one page of a list (`Planhat: Get … List`).

        Args:
            resource: What to list.
            params: The query: limit, offset, sort, select and filters.
            retry_timeout: Seconds, when not those of the settings, after which a failure is final
                that a smaller page may not have (`RetriableError.too_much`). Other failures, such
                as too many calls, are tried again for as long as the settings say.
            give_up_after: Seconds, when not those of the settings, after which any failure is
                final.

        Raises:
            PlanhatError: No list of objects came back.
        """
        return self._call(
            "GET",
            resource.path,
            read=self._reader.rows,
            params=params,
            retry_timeout=retry_timeout,
            largest=LARGEST_PAGE,
            give_up_after=give_up_after,
        )

    def list_page(
        self,
        resource: Resource,
        params: Mapping[str, str | int],
        *,
        retry_timeout: float | None = None,
    ) -> UndecodedPage:
        """Return what `list_rows` does, undecoded: for pages that are prefetched.

        Raises:
            PlanhatError: The answer does not begin and end as a JSON list does.
        """
        return self._call(
            "GET",
            resource.path,
            read=self._reader.page,
            params=params,
            retry_timeout=retry_timeout,
            largest=LARGEST_PAGE,
        )

    def get(
        self, resource: Resource, key: str, *, retry_timeout: float | None = None
    ) -> dict[str, Any] | None:
        """Return a record by `_id`, or by `srcid-…` or `extid-…`; None if there is no such record.

        Args:
            resource: What kind of record.
            key: Its key.
            retry_timeout: As for `list_rows`.

        Raises:
            KeyInvalidError: The key names no record; nothing was sent.
            PlanhatError: It is not known whether there is such a record.
        """
        return self._call(
            "GET",
            _record_path("GET", resource, key),
            read=self._reader.record,
            retry_timeout=retry_timeout,
        )

    def bulk_upsert(
        self,
        resource: Resource,
        body: bytes,
        *,
        repeatable: bool,
        retry_timeout: float | None = None,
    ) -> UpsertResponse:
        """Send a JSON array of items (`Planhat: Bulk Upsert`) and return the response.

        Args:
            resource: Where to.
            body: The array, encoded.
            repeatable: Every item has a key, so that sending it again after an unknown
                outcome makes no duplicate. If not, an unknown outcome is raised at once.
            retry_timeout: As for `list_rows`, for failures that a smaller body may not have.

        Raises:
            TooLargeError: 413; send less.
            RetriableError: Still failing after the retries, or not to be repeated.
            PlanhatError: Any other status than success, 400 and 403.
        """
        return self._call(
            "PUT",
            resource.path,
            read=self._reader.upserted,
            data=body,
            repeatable=repeatable,
            retry_timeout=retry_timeout,
        )

    def delete(self, resource: Resource, record_id: str) -> bool:
        """Delete a record by `_id`; return False if it was gone already.

        Raises:
            KeyInvalidError: That is not an `_id`; nothing was sent.
            PlanhatError: It is not known whether the record is gone.
        """
        # Any other key would be answered with 404, as if the record were gone.
        if not re.fullmatch(r"[0-9A-Fa-f]{24}", record_id):
            call = f"DELETE {resource.path}"
            raise errors.KeyInvalidError(call, "only an _id (24 hexadecimal digits) deletes")
        path = f"{resource.path}/{record_id}"
        return self._call("DELETE", path, read=self._reader.deleted)

    def _call(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Response, str], T],
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
        repeatable: bool = True,
        retry_timeout: float | None = None,
        largest: int = LARGEST_RESPONSE,
        give_up_after: float | None = None,
    ) -> T:
        """Send until `read` accepts a response, or the time for retries is over."""
        call = f"{method} {path}"
        tries = itertools.count()
        # Before the retries' time starts: waiting for a first turn is not part of it.
        self._budget.spend()

        def attempt() -> T:
            if next(tries):
                self._budget.spend()
            with self._lock:
                self.calls[f"{method} /{path.split('/')[1]}"] += 1
            response = self._transport.send(method, path, call, params, data, largest=largest)
            self.clock.learn(response.headers.get("Date"))
            self._budget.learn(response.headers)
            return read(response, call)

        most = self._retry_timeout if give_up_after is None else give_up_after
        return retry(
            attempt,
            limits=RetryLimits(
                most,
                too_much=self._retry_timeout if retry_timeout is None else retry_timeout,
                unreachable=self._unreachable_timeout,
            ),
            repeatable=repeatable,
            budget=self._budget,
            outage=self._outage,
        )


def _record_path(method: str, resource: Resource, key: str) -> str:
    """Return the path of a record, whatever characters its key has."""
    call = f"{method} {resource.path}/…"
    # An empty segment would fall through to the list's route, dots to that of their parent.
    if not key.strip() or key.strip(".") == "" or key in resource.path_prefixes:
        raise errors.KeyInvalidError(call, f"the key {shown(key)} names no record")
    try:
        return f"{resource.path}/{quote(key, safe='')}"
    except UnicodeEncodeError:
        raise errors.KeyInvalidError(call, f"the key {shown(key)} holds half a character") from None
