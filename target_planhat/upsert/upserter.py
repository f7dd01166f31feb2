"""Sends batches until every item is created, updated, unchanged, merged or rejected, or pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api.errors import PlanhatError
from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.outcome import SKIPPED, rejected
from target_planhat.upsert.chunks import Limits, encoding_error
from target_planhat.upsert.ids import KnownIds
from target_planhat.upsert.ledger import Ledger
from target_planhat.upsert.merge import waves
from target_planhat.upsert.owners import KeyOwners
from target_planhat.upsert.resolver import BatchResolver, UpsertState
from target_planhat.upsert.sender import BulkSender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_planhat.item import Deletion
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
        self._owners = KeyOwners()
        self._state = UpsertState(
            f"PUT {api.resource.path}",
            BulkSender(api, retry_timeout=retry_timeout),
            KnownIds(api),
            Limits(min(max_items, MAX_BULK_ITEMS), max_bytes),
        )

    def upsert(self, items: Sequence[Sendable]) -> UpsertResult:
        """Send items until it is known what became of each. Raises nothing of PlanhatError."""
        return self._checked(items, self._sent)

    def dry_run(self, items: Sequence[Sendable]) -> UpsertResult:
        """Return what can be known of items without sending them: those to be sent are skipped."""
        return self._checked(items, _unsent)

    def deletion_fault(self, deletion: Deletion) -> str:
        """Return why a deletion would be that of another record; "": it is not, as far as known."""
        return self._owners.check_deletion(deletion)

    def forget(self, deletion: Deletion) -> None:
        """Take note that a record was deleted."""
        self._owners.release(deletion)
        if "_id" in deletion.keys:
            self._state.ids.forget(deletion.keys["_id"])

    def _checked(
        self,
        items: Sequence[Sendable],
        outcomes_of: Callable[[Sequence[Sendable], bool], UpsertResult],
    ) -> UpsertResult:
        """Reject what would make one record of two, or two of one, and go on with the others."""
        try:
            items, reasons = self._state.ids.without_unknown(items)
        except PlanhatError as error:
            return UpsertResult([None] * len(items), error)
        collisions, distinct = self._owners.check(items)
        reasons |= collisions
        if not reasons:
            return outcomes_of(items, distinct)
        others = [item for place, item in enumerate(items) if place not in reasons]
        result = outcomes_of(others, distinct)
        known = iter(result.outcomes)
        outcomes = [
            rejected(reasons[place]) if place in reasons else next(known)
            for place in range(len(items))
        ]
        return UpsertResult(outcomes, result.error)

    def _sent(self, items: Sequence[Sendable], distinct: bool) -> UpsertResult:  # noqa: FBT001
        ledger = Ledger(len(items))
        try:
            BatchResolver(self._state, waves(items, distinct=distinct), ledger).run()
        except PlanhatError as error:
            return UpsertResult(ledger.outcomes, error)
        return UpsertResult(ledger.outcomes)


def _unsent(items: Sequence[Sendable], distinct: bool) -> UpsertResult:  # noqa: FBT001
    ledger = Ledger(len(items))
    for wave in waves(items, distinct=distinct):
        for item in wave:
            ledger.record(item, encoding_error(item) or SKIPPED)
    return UpsertResult(ledger.outcomes)
