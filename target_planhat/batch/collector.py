"""Records on their way in: collected into loads, so that STATE never overtakes one.

A load is everything read since the one before: the batches to be sent, what is refused or skipped
already, and the STATE messages that came in between. Loads are settled one after the other, in
order, so a STATE is due once its own load is settled. Streams that alternate share loads and keep
their large batches.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_planhat.item import Deletion, Item
from target_planhat.outcome import SKIPPED
from target_planhat.upsert.pack import SIZE, Pack, Packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from planhat_api.resources import Resource
    from target_planhat.outcome import Outcome
    from target_planhat.record.stream import IncomingStream

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
    sink: IncomingStream
    what: Packed | Deletion | Outcome
    kept: bytes = b""
    """The message it came in; a packed one's is in its pack."""

    @property
    def message(self) -> bytes:
        """The RECORD message it came in, before any mapping."""
        what = self.what
        return what.pack.message(what.place) if isinstance(what, Packed) else self.kept


@dataclass
class Batch:
    """What is settled in one go."""

    batches: dict[str, list[PendingRecord]] = field(default_factory=dict)
    """Resource -> its records, in order; resources in the order of their first."""
    refused: list[PendingRecord] = field(default_factory=list)
    skipped: dict[IncomingStream, int] = field(default_factory=dict)
    """How many records of a stream were skipped."""
    states: list[tuple[int, Any]] = field(default_factory=list)
    """Records read before a STATE message, and its value."""

    @property
    def records(self) -> bool:
        """It holds any record."""
        return bool(self.batches or self.refused or self.skipped)


class Collector:
    """Takes messages in and hands loads on."""

    def __init__(
        self,
        submit: Callable[[Batch], None],
        is_idle: Callable[[], bool],
        *,
        batch_size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with an empty load.

        Args:
            submit: Takes a load over.
            is_idle: Tells whether nothing is being sent.
            batch_size: Records of one resource that make a load full.
            clock: Seconds that only ever grow.
        """
        self._submit = submit
        self._is_idle = is_idle
        self._batch_size = batch_size
        self._clock = clock
        self._load = Batch()
        # Resource -> what is being filled.
        self._packs: dict[str, Pack] = {}
        self._position = 0
        self._current: IncomingStream | None = None
        self._run_began = 0
        self._sent_at = clock()

    def add(self, sink: IncomingStream, record: dict[str, Any], message: bytes) -> None:
        """Take a record in.

        Args:
            sink: Its stream.
            record: The record.
            message: What it came in: JSON with the record in it.
        """
        position = self._position
        if sink is not self._current:
            if position - self._run_began >= RUN:
                self.flush()
            self._current = sink
            self._run_began = position
        what = sink.prepare(record)
        self._position = position + 1
        if isinstance(what, (Item, Deletion)):
            resource: Resource = sink.resource  # type: ignore[assignment]
            batch = self._load.batches.get(resource.name)
            if batch is None:
                batch = self._load.batches[resource.name] = []
            if isinstance(what, Item):
                batch.append(
                    PendingRecord(position, sink, self._packed(resource.name, what, message))
                )
            else:
                batch.append(PendingRecord(position, sink, what, message))
            if len(batch) >= self._batch_size:
                self.flush()
        elif what is SKIPPED:
            skipped = self._load.skipped
            skipped[sink] = skipped.get(sink, 0) + 1
        else:
            self._load.refused.append(PendingRecord(position, sink, what, message))
            if len(self._load.refused) >= self._batch_size:
                self.flush()

    def add_state(self, value: Any) -> None:
        """Take a STATE message in; it may have a load sent that is not full."""
        states = self._load.states
        states.append((self._position, value))
        if len(states) > _STATES_KEPT:
            # The last one counts; the others serve if a record must hold it back.
            del states[-2::-2]
        if self._is_idle() and (
            not self._load.records or self._clock() - self._sent_at >= STATE_INTERVAL
        ):
            self.flush()

    def flush(self) -> None:
        """Hand on what there is."""
        for pack in self._packs.values():
            pack.seal()
        self._packs.clear()
        load, self._load = self._load, Batch()
        self._sent_at = self._clock()
        self._run_began = self._position
        if load.records or load.states:
            self._submit(load)

    def _packed(self, resource: str, item: Item, message: bytes) -> Packed:
        pack = self._packs.get(resource)
        if pack is None:
            pack = self._packs[resource] = Pack()
        packed = Packed(pack, pack.add(item.body, message), item.keys, item.company)
        if pack.size >= SIZE:
            pack.seal()
            del self._packs[resource]
        return packed
