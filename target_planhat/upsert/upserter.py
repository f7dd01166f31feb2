"""Sends batches until every item is created, updated, unchanged, merged or rejected, or pending."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planhat_api.errors import PlanhatError
from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.outcome import SKIPPED, rejected
from target_planhat.upsert.chunks import Limits, Part, chunked, encoded_as_one, encoding_error
from target_planhat.upsert.ids import KnownIds
from target_planhat.upsert.ledger import Ledger
from target_planhat.upsert.merge import waves
from target_planhat.upsert.owners import KeyOwners
from target_planhat.upsert.resolver import BatchResolver
from target_planhat.upsert.sender import BulkSender
from target_planhat.upsert.state import UpsertState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_planhat.item import Deletion, Item
    from target_planhat.outcome import Outcome
    from target_planhat.upsert.api import ResourceApi
    from target_planhat.upsert.check import Check
    from target_planhat.upsert.merge import MergedItem


@dataclass(frozen=True)
class UpsertResult:
    """The outcomes of a batch."""

    outcomes: list[Outcome | None]
    """By item, in the order given; None: pending, it is not known whether it was written."""
    error: PlanhatError | None = None
    """The error that ended it early: the API is down, or does not accept the token."""
    ids: Mapping[int, str] = field(default_factory=dict)
    """Place of an item -> the `_id` of its record, where that is known and asked for."""
    changes: Mapping[int, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    """Place of an item -> what it changes, where that is known."""


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
        check: Check | None = None,
        names_records: bool = False,
        dry_run: bool = False,
    ) -> None:
        """Send nothing yet.

        Args:
            api: Makes the calls.
            max_items: Most items of a request, at most 5,000.
            max_bytes: Most bytes of a request of several items; lowered when the server finds
                less too large.
            retry_timeout: Seconds a server may be down before that ends the run.
            check: Compares items with the records that Planhat has; None: not wanted.
            names_records: Return the `_id` of each record in the results.
            dry_run: Send nothing: an item to be sent is skipped, or what `check` expects.
        """
        self._owners = KeyOwners()
        self._state = UpsertState(
            f"PUT {api.resource.path}",
            BulkSender(api, retry_timeout=retry_timeout),
            KnownIds(api),
            Limits(min(max_items, MAX_BULK_ITEMS), max_bytes),
            check=check,
            names_records=names_records or check is not None,
            dry_run=dry_run,
        )

    def upsert(self, items: Sequence[Item]) -> UpsertResult:
        """Send items until the outcome of each is known. Raises no PlanhatError."""
        try:
            items, reasons = self._state.ids.without_unknown(items)
        except PlanhatError as error:
            return UpsertResult([None] * len(items), error)
        collisions, distinct = self._owners.check(items)
        reasons |= collisions
        if not reasons:
            return self._written(items, distinct=distinct)
        places = [place for place in range(len(items)) if place not in reasons]
        result = self._written([items[place] for place in places], distinct=distinct)
        outcomes: list[Outcome | None] = [None] * len(items)
        for place, reason in reasons.items():
            outcomes[place] = rejected(reason)
        for number, place in enumerate(places):
            outcomes[place] = result.outcomes[number]
        return UpsertResult(
            outcomes,
            result.error,
            {places[number]: record_id for number, record_id in result.ids.items()},
            {places[number]: changes for number, changes in result.changes.items()},
        )

    def deletion_fault(self, deletion: Deletion) -> str:
        """Return why a deletion would delete another record, or "" if that is not known."""
        return self._owners.check_deletion(deletion)

    def forget(self, deletion: Deletion) -> None:
        """Forget the keys of a record that was deleted."""
        self._owners.release(deletion)
        if "_id" in deletion.keys:
            self._state.ids.forget(deletion.keys["_id"])

    def _written(self, items: Sequence[Item], *, distinct: bool) -> UpsertResult:
        ledger = Ledger(len(items))
        error = None
        try:
            _BatchUpsert(self._state, ledger).run(waves(items, distinct=distinct))
        except PlanhatError as fault:
            error = self._breach() or fault
        return UpsertResult(ledger.outcomes, error, ledger.ids, ledger.changes)

    def _breach(self) -> PlanhatError | None:
        """Return the error for a write mode that was not kept: it matters more than others."""
        try:
            if self._state.check is not None:
                self._state.check.end_wave()
        except PlanhatError as breach:
            return breach
        return None


class _BatchUpsert:
    """Upserts one batch."""

    def __init__(self, state: UpsertState, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger
        self._resolver = BatchResolver(state, ledger)

    def run(self, found: Sequence[list[MergedItem]]) -> None:
        """Send everything, wave by wave."""
        for each in found:
            wave = self._judged(each)
            if self._state.dry_run:
                self._pretend(wave)
            else:
                self._write(self._without_unknown_ids(wave))
            self._end_wave(wave)
        self._resolver.finish()

    def _judged(self, wave: list[MergedItem]) -> list[MergedItem]:
        """Return the items to be sent, after comparison with the records that Planhat has."""
        check, ledger = self._state.check, self._ledger
        if check is None:
            return wave
        left = []
        for item in wave:
            verdict = check.judge(item)
            ledger.changes[item.positions[-1]] = verdict.changes
            if verdict.record_id is not None:
                ledger.identify(item, verdict.record_id)
            if verdict.outcome is None:
                left.append(item)
            else:
                ledger.record(item, verdict.outcome)
        return left

    def _pretend(self, wave: list[MergedItem]) -> None:
        """Record the outcomes that items would have, without sending them."""
        check = self._state.check
        if check is not None:
            wave = self._without_unknown_ids(wave)
        for item in self._encodable(wave):
            self._ledger.record(item, SKIPPED if check is None else check.would_be(item))

    def _write(self, wave: list[MergedItem]) -> None:
        self._state.sender.begin(wave)
        body = encoded_as_one(wave, self._state.limits)
        if body is not None:
            self._resolver.resolve([Part(wave, first=True, body=body)])
        else:
            self._resolver.resolve(chunked(self._encodable(wave), self._state.limits))

    def _end_wave(self, wave: Sequence[MergedItem]) -> None:
        """Update what is known of Planhat's records by the items that were sent."""
        check, ledger = self._state.check, self._ledger
        if check is None:
            return
        for item in wave:
            outcomes = [ledger.outcomes[place] for place in item.positions]
            check.wrote(item, outcomes, ledger.ids.get(item.positions[-1]))
        check.end_wave()

    def _without_unknown_ids(self, wave: list[MergedItem]) -> list[MergedItem]:
        """Reject items that would be created again each time, and return the others."""
        ids = self._state.ids
        if not (found := set(ids.unknown(wave))):
            return wave
        for item in found:
            self._ledger.record(item, rejected(ids.reason))
        return [item for item in wave if item not in found]

    def _encodable(self, wave: list[MergedItem]) -> list[MergedItem]:
        """Reject items that cannot be encoded as JSON, and return the others."""
        found = {item: encoding_error(item) for item in wave}
        for item, error in found.items():
            if error is not None:
                self._ledger.record(item, error)
        return [item for item, error in found.items() if error is None]
