"""Settles loads: sends, deletes, keeps the rejects, and lets STATE out behind them.

Knows what STATE waits for. How a batch is brought to its outcomes is `upsert.py`'s business.
"""

from __future__ import annotations

import logging
import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Any

from planhat_api.errors import PlanhatError
from planhat_api.resources import RESOURCES
from target_planhat.batch.delete import delete
from target_planhat.errors import StoppedError
from target_planhat.item import Deletion
from target_planhat.lines import decoded
from target_planhat.outcome import SKIPPED, Outcome, OutcomeKind
from target_planhat.upsert.ids import KnownIds
from target_planhat.upsert.pack import Packed
from target_planhat.upsert.sender import PROBE_PATIENCE
from target_planhat.upsert.upserter import Upserter, dry_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource
    from target_planhat.batch.collector import Batch, PendingRecord
    from target_planhat.batch.rejects import RejectFile
    from target_planhat.report.figures import Report

WARNINGS = 5
"""Rejected records that are told of at once; the report sums up all of them."""

logger = logging.getLogger(__name__)


class BatchProcessor:
    """Brings every record of a load to its end, then emits the STATE that was waiting for it."""

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
        """Settle nothing yet.

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
        self._upserters: dict[str, Upserter] = {}
        self._warnings = WARNINGS
        # Records read before the first that STATE must not pass.
        self._held: int | None = 0 if dry_run else None
        self._stopping = False

    def stop(self) -> None:
        """Begin no further call; what needs one stays open. For another thread to call."""
        self._stopping = True

    def settle(self, load: Batch) -> None:
        """Settle a load.

        Raises:
            PlanhatError: The API is down, or refuses the token. What was settled before is
                counted and kept, and STATE is let out up to the first record that is open.
            StoppedError: After `stop`; the same holds.
            OSError: The reject file cannot be written.
        """
        error = None
        batch_id = uuid.uuid4().hex
        for sink, count in load.skipped.items():
            self._report.count(sink.stream, SKIPPED, count)
        for entry in load.refused:
            if isinstance(entry.what, Outcome):
                self._end(entry, entry.what, batch_id)
        for name, entries in load.batches.items():
            # After an error the rest is not begun; it is open, as it was.
            outcomes: Sequence[Outcome | None] = [None] * len(entries)
            if error is None:
                outcomes, error = self._write(RESOURCES[name], entries)
            self._end_all(entries, outcomes, batch_id)
        if self._rejects is not None:
            self._rejects.flush()
        due = [
            value
            for position, value in load.states
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
                settled, error = self._delete(resource, list(run))
            else:
                settled, error = self._upsert(resource, list(run))
            outcomes += settled
            if error is not None:
                return outcomes + [None] * (len(entries) - len(outcomes)), error
        return outcomes, None

    def _upsert(
        self, resource: Resource, entries: Sequence[PendingRecord]
    ) -> tuple[list[Outcome | None], PlanhatError | None]:
        items = [entry.what for entry in entries if isinstance(entry.what, Packed)]
        if self._dry_run:
            settled = dry_run(items)
        else:
            upserter = self._upserters.get(resource.name)
            if upserter is None:
                upserter = self._upserters[resource.name] = self._upserter(resource)
            settled = upserter.settle(items)
        return settled.outcomes, settled.error

    def _upserter(self, resource: Resource) -> Upserter:
        def send(body: bytes, *, repeatable: bool, retry_timeout: float | None = None) -> Any:
            self._check_stop(f"PUT {resource.path}")
            return self._client.bulk_upsert(
                resource, body, repeatable=repeatable, retry_timeout=retry_timeout
            )

        def exists(record_id: str) -> bool:
            self._check_stop(f"GET {resource.path}")
            found = self._client.get(resource, record_id, retry_timeout=PROBE_PATIENCE)
            return found is not None

        def listed() -> str | None:
            rows = self._client.list_rows(
                resource, {"limit": 1, "select": "_id"}, retry_timeout=PROBE_PATIENCE
            )
            return next((str(row["_id"]) for row in rows if row.get("_id")), None)

        ids = KnownIds(resource, exists, listed)
        return Upserter(send, call=f"PUT {resource.path}", ids=ids, **self._limits)

    def _check_stop(self, call: str) -> None:
        if self._stopping:
            raise StoppedError(call, "not made, as the run is to end")

    def _delete(
        self, resource: Resource, entries: Sequence[PendingRecord]
    ) -> tuple[list[Outcome | None], PlanhatError | None]:
        outcomes: list[Outcome | None] = [None] * len(entries)
        for number, entry in enumerate(entries):
            if self._dry_run:
                outcomes[number] = SKIPPED
            elif isinstance(entry.what, Deletion):
                try:
                    self._check_stop(f"DELETE {resource.path}")
                    outcomes[number] = delete(self._client, resource, entry.what)
                except PlanhatError as error:
                    return outcomes, error
        return outcomes, None

    def _end_all(
        self, entries: Sequence[PendingRecord], outcomes: Sequence[Outcome | None], batch_id: str
    ) -> None:
        """Count outcomes; runs of the same, as most are, at once."""
        sinks = [entry.sink for entry in entries]
        place = 0
        for (sink, outcome), run in groupby(zip(sinks, outcomes, strict=True)):
            count = sum(1 for _ in run)
            if outcome is None or outcome.kind is OutcomeKind.REJECTED:
                for entry in entries[place : place + count]:
                    self._end(entry, outcome, batch_id)
            else:
                self._report.count(sink.stream, outcome, count)
            place += count

    def _end(self, entry: PendingRecord, outcome: Outcome | None, batch_id: str) -> None:
        """Keep a record that is rejected; None: it is open."""
        if outcome is None:
            self._hold(entry.position)
            return
        self._report.count(entry.sink.stream, outcome)
        if self._warnings > 0:
            self._warnings -= 1
            more = "" if self._warnings else " (further ones are only summed up)"
            logger.warning("%s: record rejected: %s%s", entry.sink.stream, outcome.reason, more)
        if self._rejects is None:
            self._hold(entry.position)
        else:
            record = decoded(entry.message, exact=True)["record"]
            self._rejects.add(entry.sink.origin.schema, record, outcome, batch_id)

    def _hold(self, position: int) -> None:
        """Let no STATE out that was read after a record."""
        self._held = position if self._held is None else min(self._held, position)
