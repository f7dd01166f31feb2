"""The files of one inventory: which there are, which STATE names, and how one is added.

STATE names a *base*, made by the last full sync or rescan, the *small* generations that runs
wrote since, and the *parts* of a new base while one is being made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_planhat.inventory.files import Header, new_key, new_name, read, stamp, stamped, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from tap_planhat.inventory.entries import EntryTable
    from tap_planhat.inventory.files import Generation
    from tap_planhat.inventory.folder import Folder

KEEP = timedelta(days=14)
"""Age from which files are removed that STATE does not name: it may be put back until then."""


@dataclass(frozen=True)
class EntryKind:
    """What must be alike for files to be of use to a run."""

    stream: str
    width: int
    """Bytes of an id."""
    shape: str
    """What the digests depend on besides the rows."""
    range: str
    """Which rows are read at all."""


@dataclass
class Named:
    """What STATE says of an inventory."""

    key: str
    base: str | None = None
    small: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    withheld: str | None = None
    """The one of the small generations that holds all the last rescan read, where that missed so
    much that it named nothing as deleted."""
    blind: bool = False
    """The reading under way cannot tell what was deleted."""

    @classmethod
    def of(cls, stream: str, saved: Mapping[str, Any] | None) -> Named:
        """Return what `saved` gave, or the beginning of an inventory."""
        fields: dict[str, Any] = {"key": new_key(stream), **(saved or {})}
        lists = {name: list(fields.get(name, ())) for name in ("small", "parts")}
        return cls(**{**fields, **lists})

    def saved(self) -> dict[str, Any]:
        """Return what STATE must say, as JSON."""
        return {name: value for name, value in asdict(self).items() if value}

    def before(self) -> list[str]:
        """Return the files that a reading of the stream is compared with, the oldest first."""
        return [*((self.base,) if self.base else ()), *self.small]

    def all(self) -> list[str]:
        """Return all files, the oldest first."""
        return [*self.before(), *self.parts]

    def give_up_parts(self) -> None:
        """Keep what a reading that does not go on has noted: it may have been loaded."""
        self.small, self.parts, self.blind = [*self.small, *self.parts], [], False

    def forget(self) -> None:
        """Name nothing more, and remember that what was deleted cannot be told."""
        self.base = self.withheld = None
        self.small, self.parts, self.blind = [], [], True


class Shelf:
    """Reads, writes and removes the files of one inventory."""

    def __init__(
        self, folder: Folder, kind: EntryKind, named: Named, now: Callable[[], datetime]
    ) -> None:
        """Look which files there are, and remove those that are long out of use.

        Args:
            folder: Where the files are.
            kind: What they must have been made with.
            named: What STATE names.
            now: Planhat's time.

        Raises:
            InventoryError: The folder cannot be read.
        """
        self.kind, self.named = kind, named
        self._folder, self._now = folder, now
        self._open: dict[str, Generation] = {}
        self.listed = [name for name in self._clean() if stamped(name)]
        """Files of the key that were there as the run began."""
        self.written: list[str] = []

    def _clean(self) -> list[str]:
        """Remove old files, and return the names of the others."""
        oldest = stamp(self._now() - KEEP)
        if self.named.base:
            # What is younger may be stray, and has to be looked at by the next rescan.
            oldest = min(oldest, stamped(self.named.base))
        names = self._folder.names(f"{self.named.key}.")
        old = {name for name in names if "" < stamped(name.lstrip(".")) < oldest}
        old.difference_update(self.named.all())
        for name in old:
            self._folder.remove(name)
        return [name for name in names if name not in old]

    def header(self, name: str) -> Header:
        """Return what a file says of its entries.

        Raises:
            UnusableError: It is missing or damaged.
        """
        return self._generation(name).header

    def table(self, name: str) -> EntryTable:
        """Return the entries of a file.

        Raises:
            UnusableError: It is missing or damaged.
        """
        return self._generation(name).table

    def tables(self, names: Iterable[str]) -> list[EntryTable]:
        """Return the entries of files."""
        return [self.table(name) for name in names]

    def _generation(self, name: str) -> Generation:
        if name not in self._open:
            self._open[name] = read(self._folder, name)
        return self._open[name]

    def add(
        self,
        pieces: Iterable[bytes],
        *,
        began: str = "",
        replaces: Iterable[str] = (),
    ) -> str:
        """Write a file and return its name.

        Args:
            pieces: Its entries, sorted, as bytes.
            began: When the reading began in which they were seen; "" is now.
            replaces: Files that tell nothing beyond this one.

        Raises:
            InventoryError: It cannot be written.
        """
        name = new_name(self.named.key, self._now())
        header = Header(
            width=self.kind.width,
            shape=self.kind.shape,
            range=self.kind.range,
            began=began or stamp(self._now()),
            replaces=tuple(replaces),
        )
        write(self._folder, name, header, pieces)
        self.written.append(name)
        return name

    def replaced(self, names: Sequence[str]) -> list[str]:
        """Return the files that need not be looked at once some have become one."""
        exist = {*self.listed, *self.written}
        return sorted(
            exist.intersection(
                each for name in names for each in (name, *self.header(name).replaces)
            )
        )

    def close(self, names: Iterable[str] | None = None) -> None:
        """Read no more from files; None: from any."""
        for name in list(self._open) if names is None else names:
            self._open.pop(name).close()
