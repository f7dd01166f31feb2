"""The one place of the tap that knows the Singer SDK's private names.

The SDK handles records one by one; here they go from a page to standard output in one loop.
Everything else of this package overrides and calls only what is public.
"""

from __future__ import annotations

import abc
import gc
import itertools
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream, Tap
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from planhat_api.dates import to_text
from planhat_api.errors import ConnectorError, ExitCode
from planhat_api.redact import shown
from planhat_api.stream_maps import definitions, explained, is_expression
from tap_planhat.writer import SingerLines, as_dict, shallow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from singer_sdk.helpers.types import Context
    from singer_sdk.mapper import StreamMap

    from tap_planhat.writer import Record

COLLECT_EVERY = 10
"""Pages after which garbage is looked for."""


class StreamError(BaseException):
    """A stream cannot be read to its end; the cause says why.

    Not an `Exception`: the SDK would log it as unhandled before the command reports it.
    """


class StreamMapError(ConnectorError):
    """A stream map fails with a record."""


class RowsLeftOutError(ConnectorError):
    """Some rows cannot become records; raised after everything else was read."""


@dataclass(frozen=True)
class RecordBatch:
    """Records, and what follows once they are written."""

    records: Sequence[Record]
    commit: Callable[[], None] | None
    """Moves the stream's state past them; None: a later batch does."""
    others: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """Records of other streams, by name, which are written first."""


class BatchStream(Stream):
    """A stream that is read and written by the page."""

    _left_out: RowsLeftOutError | None = None
    activates = True
    """Whether a full table of it replaces what was loaded before."""

    @abc.abstractmethod
    def batches(self) -> Iterator[RecordBatch]:
        """Read the stream.

        Yields:
            Batches; each is written and committed before the next is asked for.
        """

    @property
    @abc.abstractmethod
    def version(self) -> int:
        """The version of a full table, in Unix seconds of its beginning; known while it is read."""

    @override
    def log_sync_costs(self) -> None:
        """Fail if rows were left out: the SDK calls this once all streams have been read."""
        super().log_sync_costs()
        if self._left_out is not None:
            raise StreamError(self._left_out) from self._left_out

    @override
    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:
        for batch in self.batches():
            yield from map(as_dict, batch.records)
            if batch.commit is not None:
                batch.commit()

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return nothing: the bookmark is capped where it is made."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        if self.ABORT_AT_RECORD_COUNT is None:
            # Some loaders take the first STATE for stored, whatever rows before it still wait.
            self._flush_state()
        try:
            with _collecting_seldom() as collect:
                self._write_batches(collect)
        except RowsLeftOutError as error:
            self._left_out = error
        except ConnectorError as error:
            raise StreamError(error) from error
        yield from ()

    def _write_batches(self, collect: Callable[[], None]) -> None:
        writer = self._tap.message_writer
        if not isinstance(writer, SingerLines):
            raise TypeError("the tap writes through SingerLines")
        if not self.activates:
            self._stream_version = None
        activates = self._stream_version is not None
        maps = [each for each in self.stream_maps if not isinstance(each, RemoveRecordTransform)]
        if not maps:
            self.logger.info("%s is not read: stream_maps leave nothing of it", self.name)
            return
        limit = self.ABORT_AT_RECORD_COUNT
        count = 0
        with self.get_record_counter() as counter, self.get_sync_timer():
            for batch in self.batches():
                for name, others in batch.others.items():
                    self._write_others(writer, name, others)
                records = batch.records if limit is None else batch.records[: limit - count]
                if activates:
                    self._stream_version = self.version
                self._write_records(writer, maps, records)
                count += len(records)
                counter.increment(len(records))
                if limit is not None and count >= limit:
                    writer.flush()
                    return
                if batch.commit is not None:
                    batch.commit()
                    self._flush_state()
                collect()
        if activates and self._stream_version is not None:
            super()._write_activate_version_message(self._stream_version)
        self._flush_state()

    def _write_records(
        self,
        writer: SingerLines,
        maps: Iterable[StreamMap],
        records: Sequence[Record],
    ) -> None:
        columns = self.effective_schema["properties"]
        blank = {name: None for name in columns if self.mask.get(("properties", name), True)}
        for stream_map in maps:
            same = isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled
            writer.write_records(
                stream_map.stream_alias,
                records if same else self._mapped(records, stream_map, blank),
                version=self._stream_version,
                extracted=to_text(datetime.now(timezone.utc)),
            )

    def _mapped(
        self, records: Sequence[Record], stream_map: StreamMap, blank: Mapping[str, None]
    ) -> Iterator[dict[str, Any]]:
        """Yield what a stream map or flattening makes of records.

        Args:
            records: The records.
            stream_map: Makes another of a record, or None.
            blank: Every column, null: what a record lacks would be unknown to a map, and missing
                in files whose columns are those of the first record.

        Raises:
            StreamMapError: The map fails with a record.
        """
        for record in map(as_dict, records):
            try:
                mapped = stream_map.transform({**blank, **record})
            except RecursionError:
                mapped = stream_map.transform({**blank, **shallow(record)})
            except Exception as error:
                if not isinstance(stream_map, CustomStreamMap):
                    raise
                raise self._map_error(stream_map, {**blank, **record}, error) from None
            if mapped is not None:
                yield mapped

    def _map_error(
        self, stream_map: CustomStreamMap, record: dict[str, Any], error: Exception
    ) -> StreamMapError:
        place = list(self.stream_maps).index(stream_map)
        name, definition = definitions(self.config.get("stream_maps") or {}, self.name)[place]
        why = explained(
            name,
            {each: text for each, text in definition.items() if is_expression(each, text)},
            lambda each, expression: stream_map._eval(expression, None, record, each),  # type: ignore[arg-type]  # noqa: SLF001
            record,
            error,
        )
        return StreamMapError(f"{self.name} _id {shown(record.get('_id'))}: {why}")

    def _write_others(self, writer: SingerLines, name: str, records: Sequence[Record]) -> None:
        """Write records of another stream, behind its SCHEMA."""
        other = self._tap.streams[name]
        if not isinstance(other, BatchStream):
            raise TypeError(name)
        other._write_schema_message()  # noqa: SLF001 - this module's business
        maps = [m for m in other.stream_maps if not isinstance(m, RemoveRecordTransform)]
        other._write_records(writer, maps, records)  # noqa: SLF001 - the same class
        with other.get_record_counter() as counter:
            counter.increment(len(records))

    @override
    def _write_activate_version_message(self, full_table_version: int) -> None:
        """Suppress the message: the SDK's `sync` would send it before the records."""

    def _flush_state(self) -> None:
        self.state_manager.is_flushed = False
        self._write_state_message()


@contextmanager
def _collecting_seldom() -> Iterator[Callable[[], None]]:
    """Keep Python from looking for garbage while pages are decoded: that takes most of the time.

    Yields:
        To be called after each page; looks for garbage after every few.
    """
    pages = itertools.count(1)

    def collect() -> None:
        if next(pages) % COLLECT_EVERY == 0:
            gc.collect()

    gc.freeze()
    gc.disable()
    try:
        yield collect
    finally:
        gc.enable()
        gc.unfreeze()


class BatchTap(Tap):
    """A tap whose streams are `BatchStream`s."""

    message_writer_class = SingerLines

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The last STATE is out already. A line half written is finished first, and page requests
        # under way are not waited for, which an orderly exit would.
        writer = self.message_writer
        if isinstance(writer, SingerLines) and writer.writing:
            writer.after_write = lambda: _stop(signum)
            return
        _stop(signum)


def _stop(signum: int) -> None:
    try:
        logging.getLogger("tap-planhat").info(
            "Stopped by signal %d; the next run goes on from the last STATE", signum
        )
    finally:
        leave(ExitCode.SIGNALLED + signum)


def leave(code: int) -> None:
    """End the process without waiting for the page requests under way."""
    try:
        logging.shutdown()
    finally:
        os._exit(code)
