"""What was done about each record, as JSON lines; and the file that any report is written to."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from target_planhat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_LOOKED_AT = 4096
"""Bytes of an existing file by which an earlier report is recognised."""


@dataclass(frozen=True, slots=True)
class RecordReport:
    """What was done about one record."""

    stream: str
    """As the tap calls it."""
    key: Mapping[str, Any]
    """The tap's key properties: column -> value."""
    record_id: str | None
    """Planhat's `_id` of the record, where it is known."""
    outcome: str
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Property -> what Planhat had, and what was sent."""
    reason: str = ""
    """Why it was rejected or skipped."""

    def as_line(self) -> dict[str, Any]:
        """Return the object that a report of JSON lines has for it."""
        return {
            "stream": self.stream,
            "key": self.key,
            "_id": self.record_id,
            "outcome": self.outcome,
            "changes": self.changes,
            "reason": self.reason,
        }


class RecordsReport(Protocol):
    """A report of records, in whatever form."""

    def add(self, record: RecordReport) -> None:
        """Add a record."""

    def flush(self) -> None:
        """Write what was added so far, if the format allows that before the end."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the rest, with the figures of the whole run, and close the file."""


class JsonLines:
    """Writes a line for each record as the run goes on, and a last one with its figures."""

    MARK = re.compile(rb'^\{"figures":|^\{"stream":.*"outcome":"')

    def __init__(self, file: ReportFile) -> None:
        """Begin an empty file."""
        self._file = file
        self._lines: list[bytes] = []
        file.clear()

    def add(self, record: RecordReport) -> None:
        """Add a record; it is in the file after the next `flush`."""
        self._lines.append(encoded(record.as_line()))

    def flush(self) -> None:
        """Write what was added.

        Raises:
            OSError: The disk is full.
        """
        if self._lines:
            self._file.write(b"\n".join([*self._lines, b""]))
            self._lines.clear()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the last line, and close the file."""
        self._lines.append(encoded(summary))
        self.flush()
        self._file.close()


class ReportFile:
    """A file for its owner's eyes only, which may hold an earlier report but nothing else."""

    def __init__(self, path: str, mark: re.Pattern[bytes]) -> None:
        """Open the file, or make it; what is in it stays for now.

        Args:
            path: Where it is.
            mark: What the beginning of an earlier report holds.

        Raises:
            InputError: It cannot be written, or holds something else.
        """
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        except OSError as error:
            raise InputError(f"report_path {path} cannot be written: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self._reject(path, "is not a regular file")
        start = os.read(self._file, _LOOKED_AT)
        if start and not mark.search(start):
            self._reject(path, "holds something other than a report; name another file")
        try:
            Path(path).chmod(0o600)
        except OSError as error:
            self._reject(path, f"is not yours alone to read: {error.strerror}")

    def _reject(self, path: str, why: str) -> None:
        os.close(self._file)
        raise InputError(f"report_path {path} {why}")

    def is_same_as(self, descriptor: int) -> bool:
        """Return whether an open file is this one."""
        return os.path.samestat(os.fstat(self._file), os.fstat(descriptor))

    def clear(self) -> None:
        """Make the file empty."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)

    def write(self, content: bytes) -> None:
        """Append to the file.

        Raises:
            OSError: The disk is full.
        """
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


def encoded(value: Any) -> bytes:
    """Return JSON of whatever records hold: NaN and large numbers too."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, default=str).encode()
