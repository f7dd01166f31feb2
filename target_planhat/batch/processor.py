"""Writes batches: upserts, deletes, keeps the rejects, and lets STATE out behind them."""

from __future__ import annotations

import logging
import uuid
from itertools import groupby
from typing import TYPE_CHECKING, Any

from planhat_api.redact import shown
from planhat_api.resources import RESOURCES
from target_planhat.batch.writer import ResourceWriter, WriteResult
from target_planhat.lines import decoded
from target_planhat.outcome import SKIPPED, Outcome, OutcomeKind
from target_planhat.report.changes import RecordReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource
    from target_planhat.batch.collector import Batch, PendingRecord
    from target_planhat.batch.rejects import RejectFile
    from target_planhat.batch.writer import WriteSettings
    from target_planhat.report.changes import RecordsReport
    from target_planhat.report.figures import Report
    from target_planhat.tenant.lookups import Lookups

WARNINGS = 5
"""Rejected records that are told of at once; the report sums up all of them."""
WARNINGS_WITHOUT_FILE = 100
"""The same where only the log names them."""

LAST_CALL = 8.0
"""Seconds that the call under way may still take when the run is to end."""

logger = logging.getLogger(__name__)


class BatchProcessor:
    """Finds the outcome of every record of a batch, then emits the STATE behind them."""

    def __init__(
        self,
        client: PlanhatClient,
        report: Report,
        rejects: RejectFile | None,
        emit: Callable[[Any], None],
        *,
        settings: WriteSettings,
        lookups: Lookups,
        records: RecordsReport | None = None,
    ) -> None:
        """Write nothing yet.

        Args:
            client: Calls Planhat.
            report: Counts.
            rejects: Where rejected records are kept; None: nowhere, then they hold STATE back.
            emit: Lets a STATE out.
            settings: How records are written. In a dry run no STATE comes out: nothing is loaded.
            lookups: Finds the ids of people and companies that records name.
            records: The report that lists each record; None: there is no report.
        """
        self._client = client
        self._report = report
        self._rejects = rejects
        self._emit = emit
        self._dry_run = settings.check.dry_run
        self._settings = settings
        self._lookups = lookups
        self._records = records
        self._writers: dict[str, ResourceWriter] = {}
        self._warnings = WARNINGS_WITHOUT_FILE if rejects is None else WARNINGS
        # Records read before the first that STATE must not pass.
        self._held: int | None = 0 if self._dry_run else None
        # Rejected records that are not in the reject file yet.
        self._kept: list[tuple[PendingRecord, Outcome]] = []
        self.pending = 0
        """Records of which it is not known what became of them."""

    def stop(self) -> None:
        """Begin no further call; records that need one stay pending. Thread-safe."""
        self._client.stop(LAST_CALL)

    def process(self, batch: Batch) -> None:
        """Write a batch.

        Raises:
            PlanhatError: The API is down, or does not accept the token. What was written before is
                counted, and STATE is let out up to the first record that is pending.
            StoppedError: After `stop`; the same holds.
            RejectFileError: What is rejected cannot be kept; it is not counted then.
        """
        error = None
        batch_id = uuid.uuid4().hex
        for source, count in batch.skipped.items():
            self._report.count(source.stream, SKIPPED, count)
        ended = [entry.what if isinstance(entry.what, Outcome) else None for entry in batch.ended]
        self._end_all(batch.ended, WriteResult(list(ended)), batch_id)
        for name, entries in batch.records.items():
            # After an error the rest is not begun; it is pending, as it was.
            result = WriteResult([None] * len(entries))
            if error is None:
                result = self._writer(RESOURCES[name]).write(entries)
                error = result.error
            self._end_all(entries, result, batch_id)
        if self._records is not None:
            self._records.flush()
        self._keep_rejects()
        due = [
            value
            for position, value in batch.states
            if self._held is None or (position <= self._held and not self._dry_run)
        ]
        if due:
            self._emit(due[-1])
        if error is not None:
            raise error

    def close(self) -> None:
        """Remove the temporary files with the records that Planhat has."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, resource: Resource) -> ResourceWriter:
        if resource.name not in self._writers:
            self._writers[resource.name] = ResourceWriter(
                self._client, resource, self._settings, self._lookups
            )
        return self._writers[resource.name]

    def _end_all(
        self, entries: Sequence[PendingRecord], result: WriteResult, batch_id: str
    ) -> None:
        """Count outcomes; adjacent records with the same outcome are counted together."""
        sources = [entry.source for entry in entries]
        place = 0
        for (source, outcome), run in groupby(zip(sources, result.outcomes, strict=True)):
            count = len(list(run))
            if outcome is None or outcome.kind is OutcomeKind.REJECTED:
                for entry in entries[place : place + count]:
                    self._end(entry, outcome, batch_id)
            else:
                self._report.count(source.stream, outcome, count)
            place += count
        if self._records is not None:
            for place, entry in enumerate(entries):
                self._records.add(_reported(entry, place, result))

    def _end(self, entry: PendingRecord, outcome: Outcome | None, batch_id: str) -> None:
        """Keep a record that is rejected; None: it is pending."""
        if outcome is None:
            self.pending += 1
            self._hold(entry.position)
            if self._rejects is not None:
                self._rejects.leave(entry.source.schema, entry.message)
            return
        if self._warnings > 0:
            self._warnings -= 1
            more = "" if self._warnings else " (further ones are only summed up)"
            logger.warning("%s rejected: %s%s", _named(entry), outcome.reason, more)
        if self._rejects is None:
            self._report.count(entry.source.stream, outcome)
            self._hold(entry.position)
        else:
            self._rejects.add(entry.source.schema, entry.message, outcome, batch_id)
            self._kept.append((entry, outcome))

    def _keep_rejects(self) -> None:
        """Write the reject file; only what is in it counts as rejected."""
        if self._rejects is None:
            return
        kept, self._kept = self._kept, []
        self._rejects.flush()
        for entry, outcome in kept:
            self._report.count(entry.source.stream, outcome)

    def _hold(self, position: int) -> None:
        """Let no STATE out that was read after a record."""
        self._held = position if self._held is None else min(self._held, position)


def _reported(entry: PendingRecord, place: int, result: WriteResult) -> RecordReport:
    """Return the entry of a record in the report."""
    outcome = result.outcomes[place]
    key = _key(entry)
    return RecordReport(
        entry.source.stream,
        key or dict(getattr(entry.what, "keys", {})),
        result.ids.get(place),
        "pending" if outcome is None else outcome.kind.value,
        result.changes.get(place, {}),
        outcome.reason if outcome else "",
    )


def _key(entry: PendingRecord) -> dict[str, Any]:
    """Return the key properties of a record, as the tap sent them."""
    record = decoded(entry.message, exact=True)["record"]
    names = entry.source.schema.get("key_properties") or ()
    return {name: record.get(name) for name in names}


def _named(entry: PendingRecord) -> str:
    """Return stream, key and input line of a record."""
    texts = [
        f"{name} {'null' if value is None else shown(value)}" for name, value in _key(entry).items()
    ]
    return f"Input line {entry.line}: {' '.join([entry.source.stream, ', '.join(texts)])}".rstrip()
