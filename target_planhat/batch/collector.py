"""Collects the records that come in into batches, so that STATE never overtakes one.

A batch is everything read since the one before: the items and deletions of each resource, what is
rejected or skipped already, and the STATE messages that came in between. Batches are written one
after the other, in order, so a STATE is due once its own is written. Streams that alternate share
batches and keep their large requests.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from target_planhat.item import Deletion, Item
from target_planhat.outcome import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from planhat_api.resources import Resource
    from target_planhat.outcome import Outcome
    from target_planhat.record.stream import IncomingStream
    from target_planhat.source import Source

RUN = 1000
"""Records in a row after which a stream is sent when another begins, even if no batch is full."""
STATE_INTERVAL = 10.0
"""Seconds after which a STATE message may have an unfilled batch sent, if nothing is in flight."""
_STATES_KEPT = 32


@dataclass(slots=True)
class PendingRecord:
    """A record, with what is to be done about it."""

    position: int
    """Records read before it, in this run."""
    source: Source
    what: Item | Deletion | Outcome
    message: bytes
    """The RECORD message it came in, before any mapping."""
    line: int = 0
    """The number of that input line."""


@dataclass
class Batch:
    """Records that are written together, and the STATE messages between them."""

    records: dict[str, list[PendingRecord]] = field(default_factory=dict)
    """Resource -> its records, in order; resources in the order of their first."""
    ended: list[PendingRecord] = field(default_factory=list)
    """Records rejected before sending; with `keep_skipped` also those that are skipped."""
    skipped: dict[Source, int] = field(default_factory=dict)
    """How many records of a stream were skipped."""
    states: list[tuple[int, Any]] = field(default_factory=list)
    """Records read before a STATE message, and its value."""

    @property
    def has_records(self) -> bool:
        """Whether the batch has any record."""
        return bool(self.records or self.ended or self.skipped)

    @property
    def last_line(self) -> int:
        """Number of the last input line of its records; needs `keep_skipped` to be exact."""
        entries = chain(self.ended, *self.records.values())
        return max((entry.line for entry in entries), default=0)


class Collector:
    """Collects messages and submits batches."""

    def __init__(
        self,
        submit: Callable[[Batch], None],
        is_idle: Callable[[], bool],
        *,
        batch_size: int,
        keep_skipped: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with an empty batch.

        Args:
            submit: Processes a batch.
            is_idle: Returns whether nothing is being sent.
            batch_size: Records of one resource that make a batch full.
            keep_skipped: Put each skipped record into the batch, not only their number.
            clock: Seconds that only ever grow.
        """
        self._submit = submit
        self._is_idle = is_idle
        self._batch_size = batch_size
        self._keep_skipped = keep_skipped
        self._clock = clock
        self._batch = Batch()
        self._position = 0
        self._current: IncomingStream | None = None
        self._run_began = 0
        self._sent_at = clock()

    def add(
        self, incoming: IncomingStream, record: dict[str, Any], message: bytes, line: int = 0
    ) -> None:
        """Add a record.

        Args:
            incoming: Its stream.
            record: The record.
            message: The RECORD message, as JSON.
            line: The number of that input line.
        """
        position = self._position
        if incoming is not self._current:
            if position - self._run_began >= RUN:
                self.flush()
            self._current = incoming
            self._run_began = position
        what = incoming.prepare(record, message)
        self._position = position + 1
        entry = PendingRecord(position, incoming.source, what, message, line)
        if isinstance(what, (Item, Deletion)):
            resource: Resource = incoming.resource  # type: ignore[assignment]
            records = self._batch.records.get(resource.name)
            if records is None:
                records = self._batch.records[resource.name] = []
            if isinstance(what, Item) and not what.has_references:
                what.pack()
            records.append(entry)
            if len(records) >= self._batch_size:
                self.flush()
        elif what.kind is OutcomeKind.SKIPPED and not self._keep_skipped:
            skipped = self._batch.skipped
            skipped[entry.source] = skipped.get(entry.source, 0) + 1
        else:
            self._batch.ended.append(entry)
            if len(self._batch.ended) >= self._batch_size:
                self.flush()

    def add_state(self, value: Any) -> None:
        """Add a STATE message; the batch may be submitted then although it is not full."""
        states = self._batch.states
        states.append((self._position, value))
        if len(states) > _STATES_KEPT:
            # The last one counts; the others serve if a record must hold it back.
            del states[-2::-2]
        if self._is_idle() and (
            not self._batch.has_records or self._clock() - self._sent_at >= STATE_INTERVAL
        ):
            self.flush()

    def flush(self) -> None:
        """Submit the batch, however full it is."""
        batch, self._batch = self._batch, Batch()
        self._sent_at = self._clock()
        self._run_began = self._position
        if batch.has_records or batch.states:
            self._submit(batch)
