"""The files of an inventory: their names, their content, and whether they are intact.

A file is `MAGIC`, the SHA-256 of all that follows, the length of the header, the header as JSON
and the entries of a table. Its name is made of the inventory's key, the moment of its writing
and random bytes, so that no two runs ever write the same.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import timezone
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import orjson

from tap_planhat.inventory.entries import DIGEST, ID, EntryTable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tap_planhat.inventory.folder import Folder

MAGIC = b"planhat inventory 1\n"
CHECKSUM = 32
"""Bytes of the checksum."""
LENGTH = 4
"""Bytes of the header's length."""
KEY_PATTERN = "[a-z]+-[0-9a-f]{16}"
NAME_PATTERN = rf"{KEY_PATTERN}\.[0-9]{{8}}T[0-9]{{6}}\.[0-9a-f]{{16}}"
_NAME = re.compile(NAME_PATTERN)


class UnusableError(Exception):
    """A file that is missing or damaged; its text says which."""


@dataclass(frozen=True)
class Header:
    """What a file says of its entries."""

    width: int
    """Bytes of an id."""
    shape: str
    """What the digests depend on besides the rows."""
    range: str
    """Which rows were read at all."""
    began: str
    """When the reading began in which they were seen."""
    replaces: tuple[str, ...] = ()
    """Names of files that tell nothing beyond this one."""


@dataclass(frozen=True)
class Generation:
    """A file that was found whole."""

    name: str
    header: Header
    table: EntryTable
    file: IO[bytes]

    def close(self) -> None:
        """Read no more from it."""
        self.file.close()


def new_key(stream: str) -> str:
    """Return a key that no other inventory has."""
    return f"{stream}-{secrets.token_hex(8)}"


def new_name(key: str, moment: datetime) -> str:
    """Return a name that no other file has."""
    return f"{key}.{stamp(moment)}.{secrets.token_hex(8)}"


def stamp(moment: datetime) -> str:
    """Return a moment as names have it: text that compares like time, to the second."""
    return f"{moment.astimezone(timezone.utc):%Y%m%dT%H%M%S}"


def stamped(name: str) -> str:
    """Return the moment a file was written, by its name; "" for a file of another kind."""
    return name.split(".")[1] if _NAME.fullmatch(name) else ""


def write(folder: Folder, name: str, header: Header, pieces: Iterable[bytes]) -> None:
    """Write a file.

    Args:
        folder: Where to.
        name: What it is called.
        header: What is said of its entries.
        pieces: The entries, sorted, as bytes.

    Raises:
        InventoryError: It cannot be written.
    """
    head = orjson.dumps(asdict(header))
    with folder.create(name) as file:
        checksum = hashlib.sha256()
        file.write(MAGIC + bytes(CHECKSUM))
        for piece in chain((len(head).to_bytes(LENGTH, "big"), head), pieces):
            checksum.update(piece)
            file.write(piece)
        file.seek(len(MAGIC))
        file.write(checksum.digest())


def read(folder: Folder, name: str) -> Generation:
    """Open a file, once all of it was looked at.

    Raises:
        UnusableError: It is missing or damaged.
        InventoryError: It cannot be read.
    """
    try:
        file = folder.open(name)
    except FileNotFoundError:
        raise UnusableError(f"{name} is missing") from None
    try:
        return _checked(name, file)
    except (ValueError, TypeError, KeyError):
        file.close()
        raise UnusableError(f"{name} is damaged") from None


def _checked(name: str, file: IO[bytes]) -> Generation:
    """Return the generation in a file.

    Raises:
        ValueError: It is damaged.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError
    expected = file.read(CHECKSUM)
    checksum = hashlib.sha256()
    while piece := file.read(1 << 18):
        checksum.update(piece)
    if checksum.digest() != expected:
        raise ValueError
    end = file.tell()
    file.seek(len(MAGIC) + CHECKSUM)
    length = int.from_bytes(file.read(LENGTH), "big")
    fields: dict[str, Any] = orjson.loads(file.read(length))
    header = Header(**{**fields, "replaces": tuple(fields["replaces"])})
    start, size = file.tell(), header.width + DIGEST
    if header.width not in (ID, 2 * ID) or (end - start) % size:
        raise ValueError

    def entries(first: int, last: int) -> bytes:
        file.seek(start + first * size)
        return file.read((last - first) * size)

    return Generation(name, header, EntryTable(header.width, (end - start) // size, entries), file)
