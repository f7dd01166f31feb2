"""The reject file: what was not written, and why, as Singer messages.

Fed to the target again, once the cause is fixed, it writes what it could not: the records stand
in it as the tap sent them, before any mapping, under the tap's own names and SCHEMA. Reason,
status, time and batch stand beside the record, where a Singer reader overlooks them.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import stat
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_planhat.errors import RejectFileError
from target_planhat.lines import decoded, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_planhat.outcome import Outcome

_BEGINNING = b'{"type":"SCHEMA",'
"""What every reject file begins with."""
_LAST_TWO = 2
fcntl = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None
"""Has the locks that keep two runs out of one file; Windows has none."""
BINARY = getattr(os, "O_BINARY", 0)
"""Keeps Windows from changing the ends of lines."""
STEP = 1 << 20
"""Bytes read at a time in search of a line's beginning or end."""


class RejectFile:
    """Appends to a reject file; what earlier runs left in it stays."""

    def __init__(self, path: str) -> None:
        """Open the file, or make it, for its owner's eyes only, and keep other runs out of it.

        The last line of a run that was killed while writing it is cut off: no STATE has passed
        its record, and the file could not be replayed with it. A file that somebody else has
        written stays as it is.

        Args:
            path: Where it is.

        Raises:
            OSError: It can be neither made nor written to, is not a reject file, others may read
                it, or another run is writing to it.
        """
        # A link is followed: an empty file may be removed, the link must not be.
        self._path = Path(os.path.realpath(path))
        self._file, self._locked = _open(self._path)
        self._announced: dict[str, Mapping[str, Any]] = {}
        self._lines: list[bytes] = []
        try:
            rest = self._check_lines()
            _make_private(self._file)
            self.cut = self._complete(rest)
            """Bytes of half a line that were cut off."""
        except BaseException:
            os.close(self._file)
            raise

    @property
    def descriptor(self) -> int:
        """The open file's."""
        return self._file

    def is_same_as(self, descriptor: int) -> bool:
        """Return whether an open file is this one: replaying it into itself would never end."""
        return os.path.samestat(os.fstat(self._file), os.fstat(descriptor))

    def add(
        self,
        schema: Mapping[str, Any],
        line: bytes,
        outcome: Outcome,
        batch: str,
    ) -> None:
        """Add a record; it is in the file after the next `flush`.

        Args:
            schema: The SCHEMA message it came under.
            line: The message it came in.
            outcome: Why it is here.
            batch: The id of its batch.
        """
        self._announce(schema)
        beside = {
            "reason": outcome.reason,
            "status": outcome.status,
            "rejected_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "batch": batch,
        }
        # Not decoded: what it holds may be nested too deep, or have too many digits, for that.
        self._lines.append(_without(beside.keys(), line)[:-1] + b"," + _line(beside)[1:])

    def leave(self, schema: Mapping[str, Any], line: bytes) -> None:
        """Take note of a record that stays pending: STATE stops before it, so it comes again.

        Args:
            schema: The SCHEMA message it came under.
            line: The message it came in.
        """

    def flush(self) -> None:
        """Write what was added; it is on the disk when this returns, or not in the file at all.

        Raises:
            RejectFileError: The disk is full, or somebody has removed the file.
        """
        if not self._lines:
            return
        rest = memoryview(b"\n".join([*self._lines, b""]))
        self._lines.clear()
        # What is announced there may not get there.
        announced, self._announced = self._announced, {}
        size = os.fstat(self._file).st_size
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            raise self._failure(error.strerror or str(error)) from None
        self._announced = announced
        if os.fstat(self._file).st_nlink == 0:
            raise self._failure("it was removed during the run")

    def _announce(self, schema: Mapping[str, Any]) -> None:
        """Have a SCHEMA message written before the next line, if it is not."""
        stream: str = schema["stream"]
        if self._announced.get(stream) is not schema:
            self._announced[stream] = schema
            self._lines.append(_line({"type": "SCHEMA"} | dict(schema)))

    def _failure(self, why: str) -> RejectFileError:
        return RejectFileError(
            f"rejects_path {self._path} cannot be written: {why}. STATE stops before the records "
            "that are not in it; run again once it can"
        )

    def close(self) -> None:
        """Close the file; one that holds nothing is removed."""
        empty = os.fstat(self._file).st_size == 0 and _is_at(self._file, self._path)
        # While the lock is held, so that no other run has begun to use it. Without locks, Windows
        # leaves alone what another run has open; elsewhere an empty file is better than a lost one.
        if empty and self._locked:
            # One that was mounted, or stands where nothing may be removed, stays empty.
            with suppress(OSError):
                self._path.unlink()
        os.close(self._file)
        if empty and fcntl is None:
            with suppress(OSError):
                self._path.unlink()

    def _check_lines(self) -> bytes:
        """Return what stands behind the last whole line, unless the file is not a reject file."""
        size = os.fstat(self._file).st_size
        start, tail = size, b""
        while start > 0 and tail.count(b"\n") < _LAST_TWO:
            step = min(STEP, start)
            start -= step
            tail = self._read(start, step) + tail
        whole, _, rest = tail.rpartition(b"\n")
        if whole:
            lines = [self._first_line(), whole.rpartition(b"\n")[2]]
            known = all(_is_ours(decoded_or_none(line)) for line in lines)
        else:
            known = not rest or rest.startswith(_BEGINNING)
        if (message := decoded_or_none(rest)) is not None:
            known = known and _is_ours(message)
        if not known:
            raise OSError(errno.EEXIST, "it is not a reject file; name another, or a new one")
        return rest

    def _first_line(self) -> bytes:
        line = b""
        while b"\n" not in line:
            line += self._read(len(line), STEP)
        return line.partition(b"\n")[0]

    def _read(self, start: int, count: int) -> bytes:
        os.lseek(self._file, start, os.SEEK_SET)
        return os.read(self._file, count)

    def _complete(self, rest: bytes) -> int:
        """Make the file end where a line ends; return how many bytes of half a line it had."""
        if not rest:
            return 0
        if decoded_or_none(rest) is None:
            os.ftruncate(self._file, os.fstat(self._file).st_size - len(rest))
            return len(rest)
        os.write(self._file, b"\n")
        return 0


def decoded_or_none(line: bytes) -> Any:
    """Return what a line holds, None if that is not JSON."""
    try:
        return decoded(line)
    except (ValueError, RecursionError):
        return None


def _is_ours(message: Any) -> bool:
    """Return whether a message is one that a reject file holds."""
    if not isinstance(message, dict):
        return False
    kind = message.get("type")
    return kind == "SCHEMA" or (kind == "RECORD" and {"reason", "rejected_at"} <= message.keys())


def _make_private(file: int) -> None:
    """Let nobody but its owner read a file; it may have been there before."""
    if os.name != "posix":
        return
    with suppress(PermissionError):
        os.fchmod(file, 0o600)
    if stat.S_IMODE(os.fstat(file).st_mode) & 0o077:
        raise OSError(errno.EPERM, "others may read it, and it cannot be made private")


def _open(path: Path) -> tuple[int, bool]:
    """Return the file, and whether this run alone may write to it for as long as it is open."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o600)
        try:
            _check_kind(file)
            locked = lock(file)
            if _is_at(file, path):
                return file, locked
        except BaseException:
            os.close(file)
            raise
        # A run that had it open has removed it meanwhile.
        os.close(file)


def _check_kind(file: int) -> None:
    """Refuse pipes and devices: what is written to them cannot be replayed."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def lock(file: int) -> bool:
    """Lock a file against other runs; return False where the system or the disk has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            errno.EWOULDBLOCK, "another run is writing to it; give each run a file of its own"
        ) from None
    except OSError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _line(message: Mapping[str, Any]) -> bytes:
    # Not by orjson: it makes null of NaN, and has no integers of more than 64 bits.
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=str)
    # Half a character, which some taps write, is escaped as it was.
    return text.encode("utf-8", "backslashreplace")


def _without(names: Iterable[str], line: bytes) -> bytes:
    """Return a RECORD message without what an earlier run has put beside its record."""
    line = escaped(line).strip()
    start, comma, rest = line.rpartition(b',"reason":')
    beside = decoded_or_none(b"{" + comma[1:] + rest)
    if isinstance(beside, dict) and beside.keys() == set(names):
        return start + b"}"
    return line
