"""Gets an answer to a bulk upsert, from a server that may fail.

A record on which the server fails each time (5xx, no answer in time) must cost neither its
neighbours nor the run's time; a server that is down must end the run, and no record be rejected
for it. The two are told apart by an item that was written before: sent again it changes nothing,
and if it gets through, the server is up.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

from planhat_api import errors
from planhat_api.client import UpsertResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_planhat.upsert.merge import MergedItem

PATIENCE = 20.0
"""Seconds of retries before a request that the server fails on is looked into."""
PROBE_PATIENCE = 4.0
"""Seconds of retries for its parts."""
_CANARIES = 3
"""Items kept to ask with: one of them is not among those being sent."""
REFUSED = 422
"""Stands for every status that refuses a request as a whole and has no other meaning here."""


class Send(Protocol):
    """Sends a JSON array of items and returns the answer, as PlanhatClient.bulk_upsert does."""

    def __call__(
        self, body: bytes, *, repeatable: bool, retry_timeout: float | None = None
    ) -> UpsertResponse:
        """Raise PlanhatError where there is no answer to read."""


class RequestFailed(Exception):  # noqa: N818 - a state of affairs, handled where items are split
    """The server fails on this request while it answers others."""

    def __init__(self, error: errors.PlanhatError) -> None:
        """Remember how it failed."""
        super().__init__(str(error))
        self.error = error


def encoded(groups: Sequence[MergedItem]) -> bytes:
    """Return the JSON array of some items, each of which is encoded once for all requests."""
    return b"[" + b",".join([group.encoded for group in groups]) + b"]"


class BulkSender:
    """Sends the requests of one resource; remembers what got through."""

    def __init__(self, send: Send, *, retry_timeout: float) -> None:
        """Send nothing yet.

        Args:
            send: Does a request.
            retry_timeout: Seconds a server may be down before that ends the run.
        """
        self._send = send
        self._retry_timeout = retry_timeout
        self.has_written = False
        """Any item was written, in this run."""
        # Items written lately, the last one first; no two with the same key.
        self._canaries: list[MergedItem] = []
        # Some request was answered since the last one that was not.
        self._heard = False

    def begin(self, wave: Sequence[MergedItem]) -> None:
        """Take note of the items that are sent from now on, no two of them with the same key."""
        # An item that is sent with other values now must not be sent again as it was.
        kept = {key for one in self._canaries for key in one.keys.items()}
        sent = {key for group in wave for key in group.keys.items() if key in kept}
        self._canaries = [one for one in self._canaries if sent.isdisjoint(one.keys.items())]

    def wrote(self, group: MergedItem) -> None:
        """Take note of the item written last, by a key: it can be sent again."""
        others = (one for one in self._canaries if not _share_keys(one, [group]))
        self._canaries = [group, *islice(others, _CANARIES - 1)]
        self.has_written = True

    def ask(
        self, groups: Sequence[MergedItem], *, first: bool, body: bytes | None = None
    ) -> UpsertResponse:
        """Return the answer to a request.

        Args:
            groups: The items to send, all of them with a key, or all without.
            first: They are sent for the first time.
            body: Them, encoded, where that is done already.

        Raises:
            RequestFailed: The server is up but fails on this request; on one of several items, or
                of items without a key, which are not sent again, whether up or not.
            TooLargeError: The body is over the server's limit.
            PlanhatError: The server is down, or refuses the token.
        """
        keyed = bool(groups[0].keys)
        if body is None:
            body = encoded(groups)
        alone = len(groups) == 1
        try:
            patience = PATIENCE if first or alone else PROBE_PATIENCE
            answer = self._post(body, keyed=keyed, patience=patience)
        except errors.RetriableError as error:
            if not keyed and not error.not_done:
                raise RequestFailed(error) from error
            # The client has tried for as long as it may what does not depend on the items.
            if not error.too_much:
                raise
            if self._is_up(groups):
                raise RequestFailed(error) from error
            answer = self._post(body, keyed=keyed, patience=self._retry_timeout)
        self._heard = True
        return answer

    def _is_up(self, groups: Sequence[MergedItem]) -> bool:
        """Tell whether the server answers other requests than one it failed on."""
        heard, self._heard = self._heard, False
        if heard and len(groups) > 1:
            return True
        for group in self._probes(groups):
            try:
                self._post(encoded([group]), keyed=True, patience=PROBE_PATIENCE)
            except errors.RetriableError as error:
                if not error.too_much:
                    raise
                continue
            if not self._canaries:
                self._canaries = [group]
            return True
        return False

    def _probes(self, groups: Sequence[MergedItem]) -> list[MergedItem]:
        """Return items to ask with: one written before, else the first and the last of these."""
        for control in self._canaries:
            if not _share_keys(control, groups):
                return [control]
        return [groups[0], groups[-1]] if len(groups) > 1 else []

    def _post(self, body: bytes, *, keyed: bool, patience: float) -> UpsertResponse:
        patience = min(patience, self._retry_timeout)
        try:
            return self._send(body, repeatable=keyed, retry_timeout=patience)
        except errors.PayloadError as error:
            # A 4xx without a meaning of its own: refused as a whole, as 400 without lists.
            return UpsertResponse(REFUSED, None, error.what)


def _share_keys(group: MergedItem, others: Sequence[MergedItem]) -> bool:
    keys = group.keys.items()
    return any(not keys.isdisjoint(other.keys.items()) for other in others)
