"""Singer messages to standard output: encoded by orjson, written in large pieces.

Whatever is not a record goes out at once, behind the records before it, so that a STATE never
waits in a buffer and never overtakes. Records wait for others of their batch at most.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
from singer_sdk.singerlib.encoding import GenericSingerWriter
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.singerlib.encoding.simple import Message

    Record = dict[str, Any] | bytes
    """A record, or the same as JSON."""

DEEPEST = 100
"""Levels of nesting after which the rest is text, where there are too many to be encoded."""
FLUSH_BYTES = 1 << 18
"""Bytes of records that are written at once."""


class StdoutError(BaseException):
    """Standard output takes no more; its text says why.

    Not an `Exception`: the SDK would log it as unhandled, and click end without a message.
    """


@contextmanager
def map_output_errors() -> Iterator[None]:
    """Word what goes wrong with standard output.

    Raises:
        StdoutError: In place of an OSError, and where there is no standard output.
    """
    if sys.stdout is None:
        raise StdoutError("Standard output is closed; the messages go there")
    try:
        yield
    except BrokenPipeError as error:
        raise StdoutError("What reads this output is gone; see its own messages") from error
    except OSError as error:
        raise StdoutError(f"Standard output cannot be written: {error.strerror}") from error


def shallow(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with what is nested deeper than JSON encoders go as text, which is JSON."""
    deep: list[tuple[int, Any, Any]] = []
    waiting: list[tuple[int, Any]] = [(0, record)]
    while waiting:
        depth, node = waiting.pop()
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, (dict, list)):
                waiting.append((depth + 1, value))
                if (depth + 1) % DEEPEST == 0:
                    deep.append((depth, node, key))
    for _, node, key in sorted(deep, key=itemgetter(0), reverse=True):
        node[key] = orjson.dumps(node[key]).decode()
    return record


def as_dict(record: Record) -> dict[str, Any]:
    """Return a record decoded."""
    return orjson.loads(record) if isinstance(record, bytes) else record


def to_json(record: Record) -> bytes:
    """Return a record as JSON."""
    if isinstance(record, bytes):
        return record
    # Stream maps make values that JSON has no type for, such as Decimal.
    try:
        return orjson.dumps(record, default=str)
    except TypeError:
        return orjson.dumps(shallow(record), default=str)


class SingerLines(GenericSingerWriter[bytes, "Message"]):
    """Writes lines, whole ones only unless the process is killed."""

    def __init__(self) -> None:
        """Start with an empty buffer."""
        super().__init__()
        self._buffer = bytearray()
        self.writing = False
        """A line may be half written: no time to end the process."""
        self.after_write: Callable[[], None] | None = None
        """What came up meanwhile, to be done once it is whole."""

    @override
    def serialize_message(self, message: Message) -> bytes:
        # The SDK reads fractions in STATE and catalog as decimal numbers.
        return orjson.dumps(message.to_dict(), default=float)

    @override
    def write_message(self, message: Message) -> None:
        self._buffer += self.format_message(message) + b"\n"
        self.flush()

    def write_records(
        self,
        stream: str,
        records: Iterable[Record],
        *,
        version: int | None,
        extracted: str,
    ) -> None:
        """Write RECORD messages.

        Args:
            stream: Name of the stream.
            records: The records.
            version: The table's version where one is to be activated.
            extracted: Time of extraction, ISO 8601.
        """
        head = b'{"type":"RECORD","stream":' + orjson.dumps(stream) + b',"record":'
        tail = b"" if version is None else b',"version":' + orjson.dumps(version)
        tail += b',"time_extracted":' + orjson.dumps(extracted) + b"}\n"
        buffer = self._buffer
        for record in records:
            body = to_json(record)
            buffer += head
            buffer += body
            buffer += tail
            if len(buffer) > FLUSH_BYTES:
                self.flush()
        # No STATE may follow: the SDK leaves out one that says nothing new.
        self.flush()

    def flush(self) -> None:
        """Write what is in the buffer to standard output.

        Raises:
            StdoutError: The reader is gone, or the disk full.
        """
        self.writing = True
        try:
            with map_output_errors():
                self._write_out()
            self._buffer.clear()
        finally:
            self.writing = False
            if self.after_write is not None:
                self.after_write()

    def _write_out(self) -> None:
        stdout = sys.stdout
        stdout.flush()
        try:
            descriptor = stdout.fileno()
        except (OSError, ValueError):
            # Standard output was replaced by an object that is not a file.
            stdout.write(self._buffer.decode())
            return
        view = memoryview(bytes(self._buffer))
        while view:
            view = view[os.write(descriptor, view) :]
