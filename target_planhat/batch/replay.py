"""Replays a reject file: what is written leaves it batch by batch, what is rejected again stays."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from target_planhat.batch.rejects import BINARY, STEP, RejectFile, decoded_or_none, fcntl, lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ReplayFile(RejectFile):
    """A reject file while it is replayed; no other run can append to it meanwhile.

    After each batch a new file takes its place, with what was rejected again and what was not
    replayed yet. So a run that is killed leaves every record that it has not brought to an end, and
    at most one batch that it has.
    """

    def __init__(self, path: str, *, dry_run: bool) -> None:
        """Open a file.

        Args:
            path: Where it is.
            dry_run: Leave it as it is.

        Raises:
            OSError: It is not there, it is not a reject file, another run is writing to it, or
                this is Windows.
        """
        if fcntl is None:
            # A file that is open can neither be replaced there nor kept from other runs.
            raise OSError(
                errno.ENOTSUP,
                "--replay does not work on Windows; feed the file into standard input, with "
                "another file as rejects_path",
            )
        if not Path(path).exists():
            raise FileNotFoundError(errno.ENOENT, "there is no such file")
        super().__init__(path)
        self._dry_run = dry_run
        self.source = self._path.open("rb")
        """What is to be read; it stays as it is when the file is replaced."""
        self._unread = self._path.open("rb")
        # Lines of `_unread` that were read, and the last SCHEMA of each stream among them.
        self._count = 0
        self._schemas: dict[str, bytes] = {}
        # Bytes at the beginning of the file: what was rejected again.
        self._again = 0

    @override
    def leave(self, schema: Mapping[str, Any], line: bytes) -> None:
        self._announce(schema)
        self._lines.append(line.rstrip(b"\r\n"))

    @override
    def flush(self) -> None:
        """Do nothing: `passed` writes."""

    def passed(self, line: int | None = None) -> None:
        """Take out of the file all records up to an input line but those rejected or left again.

        Args:
            line: Its number; None: all lines.

        Raises:
            RejectFileError: The file cannot be replaced; it is as it was.
        """
        while (line is None or self._count < line) and (text := self._unread.readline()):
            self._count += 1
            message = decoded_or_none(text)
            if isinstance(message, dict) and message.get("type") == "SCHEMA":
                self._schemas[str(message.get("stream"))] = text
        if self._dry_run:
            self._lines.clear()
            return
        path = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
            try:
                self._replace_by(file, path)
            except BaseException:
                os.close(file)
                raise
        except OSError as error:
            with suppress(OSError):
                path.unlink()
            raise self._failure(error.strerror or str(error)) from None

    @override
    def close(self) -> None:
        self.source.close()
        self._unread.close()
        super().close()

    def _replace_by(self, file: int, path: Path) -> None:
        # Before it has the name: no other run can come in between.
        self._locked = lock(file)
        _copy(self._file, 0, self._again, file)
        _write(file, b"".join(line + b"\n" for line in self._lines))
        again = os.fstat(file).st_size
        begin, end = self._unread.tell(), os.fstat(self._unread.fileno()).st_size
        if begin < end:
            _write(file, b"".join(self._schemas.values()))
            _copy(self._unread.fileno(), begin, end, file)
        os.fsync(file)
        path.replace(self._path)
        os.close(self._file)
        self._file, self._again = file, again
        self._lines.clear()


def _copy(source: int, begin: int, end: int, target: int) -> None:
    while begin < end:
        piece = os.pread(source, min(STEP, end - begin), begin)
        _write(target, piece)
        begin += len(piece)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
