"""Sends batches until every item is created, updated, unchanged, merged or rejected, or pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api.errors import PlanhatError
from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.outcome import SKIPPED
from target_planhat.upsert.chunks import Limits, encoding_error
from target_planhat.upsert.ids import KnownIds
from target_planhat.upsert.ledger import Ledger
from target_planhat.upsert.merge import waves
from target_planhat.upsert.resolver import BatchResolver, UpsertState
from target_planhat.upsert.sender import BulkSender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.api import ResourceApi
    from target_planhat.upsert.merge import Sendable


@dataclass(frozen=True)
class UpsertResult:
    """What became of a batch."""

    outcomes: list[Outcome | None]
    """By item, in the order given; None: it is pending, not known to be written or not."""
    error: PlanhatError | None = None
    """What ended it early: the API is down, or refuses the token."""


class Upserter:
    """Writes the batches of one resource, one after the other.

    >>> api = ResourceApi(client, TASKS)
    >>> upserter = Upserter(api)
    >>> item = Item({"sourceId": "1", "action": "call"}, keys={"sourceId": "1"})
    >>> [outcome.kind.value for outcome in upserter.upsert([item]).outcomes]
    ['created']
    """

    def __init__(
        self,
        api: ResourceApi,
        *,
        max_items: int = MAX_BULK_ITEMS,
        max_bytes: int = 8_000_000,
        retry_timeout: float = 300,
    ) -> None:
        """Send nothing yet.

        Args:
            api: Makes the calls.
            max_items: Most items of a request, at most 5,000.
            max_bytes: Most bytes of a request of several items; lowered when the server finds
                less too large.
            retry_timeout: Seconds a server may be down before that ends the run.
        """
        self._state = UpsertState(
            f"PUT {api.resource.path}",
            BulkSender(api, retry_timeout=retry_timeout),
            KnownIds(api),
            Limits(min(max_items, MAX_BULK_ITEMS), max_bytes),
        )

    def upsert(self, items: Sequence[Sendable]) -> UpsertResult:
        """Send items until it is known what became of each. Raises nothing of PlanhatError."""
        ledger = Ledger(len(items))
        try:
            BatchResolver(self._state, items, ledger).run()
        except PlanhatError as error:
            return UpsertResult(ledger.outcomes, error)
        return UpsertResult(ledger.outcomes)


def dry_run(items: Sequence[Sendable]) -> UpsertResult:
    """Return what can be known of a batch without sending it: an item to be sent is skipped."""
    ledger = Ledger(len(items))
    for wave in waves(items):
        for item in wave:
            ledger.record(item, encoding_error(item) or SKIPPED)
    return UpsertResult(ledger.outcomes)
