"""Sends bulk upserts to a server that may fail, and finds out whether it is down.

If the server fails (5xx, no answer in time) because of one record, the other records must be
written, without long retries; if it is down, the run must end without rejecting any record. To tell
the two apart, an item that was written before is sent again: that changes nothing, and if it
succeeds, the server is up.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from planhat_api import errors
from target_planhat.upsert.api import PROBE_PATIENCE
from target_planhat.upsert.chunks import encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planhat_api.client import UpsertResponse
    from target_planhat.upsert.api import ResourceApi
    from target_planhat.upsert.merge import MergedItem

PATIENCE = 20.0
"""Seconds of retries of a failing request before its items are tried separately."""
_CANARIES = 3
"""Written items that are kept: one of them is not among those being sent."""


class RequestFailed(Exception):  # noqa: N818 - a state of affairs, handled where items are split
    """The server fails on this request while it answers others."""

    def __init__(self, error: errors.PlanhatError) -> None:
        """Keep the error."""
        super().__init__(str(error))
        self.error = error


class BulkSender:
    """Sends the requests of one resource; remembers what got through."""

    def __init__(self, api: ResourceApi, *, retry_timeout: float) -> None:
        """Send nothing yet.

        Args:
            api: Makes the calls.
            retry_timeout: Seconds a server may be down before that ends the run.
        """
        self._api = api
        self._retry_timeout = retry_timeout
        self.has_written = False
        """Whether any item was written in this run."""
        # Items written lately, the last one first; no two with the same key.
        self._canaries: list[MergedItem] = []
        # Whether a request was answered since the last failure.
        self._heard = False

    def begin(self, wave: Sequence[MergedItem]) -> None:
        """Set the items that are sent from now on, no two of them with the same key."""
        # An item that is sent with other values now must not be sent again as it was.
        kept = {key for one in self._canaries for key in one.keys.items()}
        sent = kept.intersection(chain.from_iterable([item.keys.items() for item in wave]))
        self._canaries = [one for one in self._canaries if sent.isdisjoint(one.keys.items())]

    def wrote(self, item: MergedItem) -> None:
        """Remember the item written last; it can be sent again if it has a key."""
        self.has_written = True
        if not item.keys:
            return
        others = (one for one in self._canaries if not _share_keys(one, [item]))
        self._canaries = [item, *islice(others, _CANARIES - 1)]

    def send(
        self, items: Sequence[MergedItem], *, first: bool, body: bytes | None = None
    ) -> UpsertResponse:
        """Return the answer to a request.

        Args:
            items: What to send, all of them with a key, or all without.
            first: Whether they are sent for the first time.
            body: The encoded items, if they were encoded already.

        Raises:
            RequestFailed: The server is up but fails on this request. Also raised, up or not, for
                items without a key, which are not sent again.
            TooLargeError: The body is over the server's limit.
            PlanhatError: The server is down, or does not accept the token.
        """
        keyed = bool(items[0].keys)
        if body is None:
            body = encoded(items)
        alone = len(items) == 1
        try:
            patience = PATIENCE if first or alone else PROBE_PATIENCE
            answer = self._post(body, keyed=keyed, patience=patience)
        except errors.RetriableError as error:
            if not keyed and not error.not_done:
                raise RequestFailed(error) from error
            # Failures that do not depend on the items: the client has used up its retries.
            if not error.too_much:
                raise
            if self._is_up(items):
                raise RequestFailed(error) from error
            answer = self._post(body, keyed=keyed, patience=self._retry_timeout)
        self._heard = True
        return answer

    def _is_up(self, items: Sequence[MergedItem]) -> bool:
        """Return whether the server answers a request other than the failing one."""
        heard, self._heard = self._heard, False
        if heard and len(items) > 1:
            return True
        for item in self._probes(items):
            try:
                self._post(encoded([item]), keyed=True, patience=PROBE_PATIENCE)
            except errors.RetriableError as error:
                if not error.too_much:
                    raise
                continue
            if not self._canaries:
                self._canaries = [item]
            return True
        return False

    def _probes(self, items: Sequence[MergedItem]) -> list[MergedItem]:
        """Return items to test the server with: one written before, else the first and the last."""
        for canary in self._canaries:
            if not _share_keys(canary, items):
                return [canary]
        return [items[0], items[-1]] if len(items) > 1 else []

    def _post(self, body: bytes, *, keyed: bool, patience: float) -> UpsertResponse:
        patience = min(patience, self._retry_timeout)
        return self._api.upsert(body, repeatable=keyed, retry_timeout=patience)


def _share_keys(item: MergedItem, others: Sequence[MergedItem]) -> bool:
    keys = item.keys.items()
    return any(not keys.isdisjoint(other.keys.items()) for other in others)
