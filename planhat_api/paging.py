"""What a scan of a list asks for and hands out: pages, and positions in the order of a cursor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from planhat_api.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence


class ScanError(ConnectorError):
    """The list cannot be read; its text says why."""


class CannotSortError(ScanError):
    """The list cannot be read in the order of this cursor."""


class OutOfOrderError(CannotSortError):
    """A page is not in the order of the cursor: progress made along it cannot be relied on."""


class Row(Protocol):
    """A row of a list: a dict as decoded, or something that stands for one."""

    def get(self, name: str, /) -> Any:
        """Return a property's value; None if the row has none."""


@dataclass(frozen=True)
class Cursor:
    """A cursor: the property a list is sorted by, and how rows compare in it."""

    by: str
    """Name of the property, as the server knows it."""
    value: Callable[[Row], str | None]
    """The cursor of a row, comparable as text; "" for a row that has none, None for one that
    cannot be compared with the others'."""
    identity: Callable[[Row], Hashable]
    """The identity of a row."""
    unique: bool
    """No two rows share a cursor."""


@dataclass(frozen=True)
class PageRequest:
    """One page to ask for."""

    sort: str
    """The cursor's name, behind a `-` for descending order."""
    offset: int
    limit: int
    probe: bool = False
    """Whether only the rows' identity and cursor are needed."""
    overlap: int | None = None
    """Rows by which the next page will overlap this one, if it comes out full; None: no guess."""
    widest: bool = False
    """Whether the page must have all the rows asked for, not fewer."""
    optional: bool = False
    """Whether the scan can go on without an answer, so that it is not worth many retries."""

    @property
    def is_needed(self) -> bool:
        """Whether the scan needs the answer; looks at the list's end may fail."""
        return not (self.optional or self.sort.startswith("-"))


@dataclass(frozen=True)
class Page:
    """The answer to a request."""

    rows: Sequence[Row]
    asked: int
    """The limit it was asked for with: less than the request's where that was too much, 0 where
    an optional page could not be had."""


@dataclass(frozen=True)
class Position:
    """How far a reading has come: everything up to here has been handed out."""

    value: str = ""
    """The greatest cursor read; "" before the first."""
    ids: frozenset[Hashable] = frozenset()
    """The rows read at exactly that cursor."""
    offset: int | None = None
    """Where in the list that was; a hint, since rows move."""
    lowest: str | None = field(default=None, compare=False)
    """The cursor of the list's first row, which shows if the list is sorted; None: not looked."""


@dataclass(frozen=True)
class ScanBatch:
    """Rows to hand out, in ascending order, and how far that brings the reading."""

    rows: Sequence[Row]
    position: Position
