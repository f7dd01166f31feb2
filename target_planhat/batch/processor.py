"""Writes batches: upserts, deletes, keeps the rejects, and lets STATE out behind them."""

from __future__ import annotations

import logging
import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Any

from planhat_api.errors import PlanhatError
from planhat_api.resources import RESOURCES
from target_planhat.batch.delete import delete
from target_planhat.item import Deletion
from target_planhat.lines import decoded
from target_planhat.outcome import DELETED, SKIPPED, Outcome, OutcomeKind, rejected
from target_planhat.upsert.api import ResourceApi
from target_planhat.upsert.pack import Packed
from target_planhat.upsert.upserter import Upserter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource
    from target_planhat.batch.collector import Batch, PendingRecord
    from target_planhat.batch.rejects import RejectFile
    from target_planhat.report.figures import Report

WARNINGS = 5
"""Rejected records that are told of at once; the report sums up all of them."""

LAST_CALL = 8.0
"""Seconds that the call under way may still take when the run is to end."""

logger = logging.getLogger(__name__)


class BatchProcessor:
    """Brings every record of a batch to its end, then emits the STATE that was waiting for it."""

    def __init__(
        self,
        client: PlanhatClient,
        report: Report,
        rejects: RejectFile | None,
        emit: Callable[[Any], None],
        *,
        batch_size: int,
        max_body: int,
        retry_timeout: int,
        dry_run: bool,
    ) -> None:
        """Write nothing yet.

        Args:
            client: Calls Planhat.
            report: Counts.
            rejects: Where rejected records are kept; None: nowhere, then they hold STATE back.
            emit: Lets a STATE out.
            batch_size: Most items of a request.
            max_body: Most bytes of a request.
            retry_timeout: Seconds the API may be down before that ends the run.
            dry_run: Write nothing, and let no STATE out: nothing has been loaded.
        """
        self._client = client
        self._report = report
        self._rejects = rejects
        self._emit = emit
        self._dry_run = dry_run
        self._limits = {
            "max_items": batch_size,
            "max_bytes": max_body,
            "retry_timeout": retry_timeout,
        }
        self._apis: dict[str, ResourceApi] = {}
        self._upserters: dict[str, Upserter] = {}
        self._warnings = WARNINGS
        # Records read before the first that STATE must not pass.
        self._held: int | None = 0 if dry_run else None
        self.pending = 0
        """Records of which it is not known what became of them."""

    def stop(self) -> None:
        """Begin no further call; what needs one stays pending. For another thread to call."""
        self._client.stop(LAST_CALL)

    def process(self, batch: Batch) -> None:
        """Write a batch.

        Raises:
            PlanhatError: The API is down, or refuses the token. What was written before is
                counted, and STATE is let out up to the first record that is pending.
            StoppedError: After `stop`; the same holds.
            OSError: The reject file cannot be written.
        """
        error = None
        batch_id = uuid.uuid4().hex
        for source, count in batch.skipped.items():
            self._report.count(source.stream, SKIPPED, count)
        for entry in batch.rejected:
            if isinstance(entry.what, Outcome):
                self._end(entry, entry.what, batch_id)
        for name, entries in batch.records.items():
            # After an error the rest is not begun; it is pending, as it was.
            outcomes: Sequence[Outcome | None] = [None] * len(entries)
            if error is None:
                outcomes, error = self._write(RESOURCES[name], entries)
            self._end_all(entries, outcomes, batch_id)
        if self._rejects is not None:
            self._rejects.flush()
        due = [
            value
            for position, value in batch.states
            if self._held is None or (position <= self._held and not self._dry_run)
        ]
        if due:
            self._emit(due[-1])
        if error is not None:
            raise error

    def _write(
        self, resource: Resource, entries: Sequence[PendingRecord]
    ) -> tuple[list[Outcome | None], PlanhatError | None]:
        """Upsert and delete in the order in which the records came."""
        outcomes: list[Outcome | None] = []
        for is_deletion, run in groupby(entries, lambda entry: isinstance(entry.what, Deletion)):
            if is_deletion:
                ended, error = self._delete(resource, list(run))
            else:
                ended, error = self._upsert(resource, list(run))
            outcomes += ended
            if error is not None:
                return outcomes + [None] * (len(entries) - len(outcomes)), error
        return outcomes, None

    def _upsert(
        self, resource: Resource, entries: Sequence[PendingRecord]
    ) -> tuple[list[Outcome | None], PlanhatError | None]:
        items = [entry.what for entry in entries if isinstance(entry.what, Packed)]
        upserter = self._upserter(resource)
        result = upserter.dry_run(items) if self._dry_run else upserter.upsert(items)
        return result.outcomes, result.error

    def _delete(
        self, resource: Resource, entries: Sequence[PendingRecord]
    ) -> tuple[list[Outcome | None], PlanhatError | None]:
        outcomes: list[Outcome | None] = [None] * len(entries)
        for number, entry in enumerate(entries):
            if isinstance(entry.what, Deletion):
                try:
                    outcomes[number] = self._deleted(resource, entry.what)
                except PlanhatError as error:
                    return outcomes, error
        return outcomes, None

    def _deleted(self, resource: Resource, deletion: Deletion) -> Outcome:
        upserter = self._upserter(resource)
        if reason := upserter.deletion_fault(deletion):
            return rejected(reason)
        if self._dry_run:
            return SKIPPED
        outcome = delete(self._api(resource), deletion)
        if outcome is DELETED:
            upserter.forget(deletion)
        return outcome

    def _upserter(self, resource: Resource) -> Upserter:
        if resource.name not in self._upserters:
            self._upserters[resource.name] = Upserter(self._api(resource), **self._limits)
        return self._upserters[resource.name]

    def _api(self, resource: Resource) -> ResourceApi:
        if resource.name not in self._apis:
            self._apis[resource.name] = ResourceApi(self._client, resource)
        return self._apis[resource.name]

    def _end_all(
        self, entries: Sequence[PendingRecord], outcomes: Sequence[Outcome | None], batch_id: str
    ) -> None:
        """Count outcomes; runs of the same, as most are, at once."""
        sources = [entry.source for entry in entries]
        place = 0
        for (source, outcome), run in groupby(zip(sources, outcomes, strict=True)):
            count = sum(1 for _ in run)
            if outcome is None or outcome.kind is OutcomeKind.REJECTED:
                for entry in entries[place : place + count]:
                    self._end(entry, outcome, batch_id)
            else:
                self._report.count(source.stream, outcome, count)
            place += count

    def _end(self, entry: PendingRecord, outcome: Outcome | None, batch_id: str) -> None:
        """Keep a record that is rejected; None: it is pending."""
        if outcome is None:
            self.pending += 1
            self._hold(entry.position)
            return
        self._report.count(entry.source.stream, outcome)
        if self._warnings > 0:
            self._warnings -= 1
            more = "" if self._warnings else " (further ones are only summed up)"
            logger.warning("%s: record rejected: %s%s", entry.source.stream, outcome.reason, more)
        if self._rejects is None:
            self._hold(entry.position)
        else:
            record = decoded(entry.message, exact=True)["record"]
            self._rejects.add(entry.source.schema, record, outcome, batch_id)

    def _hold(self, position: int) -> None:
        """Let no STATE out that was read after a record."""
        self._held = position if self._held is None else min(self._held, position)
