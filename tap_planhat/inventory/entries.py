"""Sorted tables of entries, and functions that walk through several of them at once.

An entry is a row's id and the digest of its record, each of a fixed width, so that a table is a
run of bytes in which an entry is found by halving. Nothing here holds more than a block of each
table in memory. Pure: where the bytes come from is the tables' own business.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import add
from struct import iter_unpack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

ID = 12
"""Bytes of an id; those of two make up the id of an NPS answer: the contact's and its own."""
DIGEST = 16
"""Bytes of a digest."""
UNKNOWN = bytes(DIGEST)
"""Stands in place of a digest: the row exists, and is emitted when it is read next."""
BLOCK = 32_768
"""Entries that are looked at at once, at most, those of all tables together."""
MOST_SUSPECTS = 100_000
"""Ids of answers that are looked for in one walk through the tables."""
DENSE = 4
"""Ratio of entries to ids looked for up to which all entries between them are read."""
SPARSE = 256
"""Ratio of entries to ids looked for from which on each id is looked for by itself."""


@dataclass(frozen=True)
class EntryTable:
    """Entries sorted by id, each id once."""

    width: int
    """Bytes of an id."""
    count: int
    read: Callable[[int, int], bytes]
    """Returns the entries from one place up to another."""

    @classmethod
    def of(cls, entries: Mapping[bytes, bytes], width: int = ID) -> EntryTable:
        """Return a table of entries in memory."""
        data, size = join(entries), width + DIGEST
        return cls(width, len(entries), lambda first, last: data[first * size : last * size])

    def id_at(self, place: int) -> bytes:
        """Return the id at a place."""
        return self.read(place, place + 1)[: self.width]

    @cached_property
    def _ends(self) -> tuple[bytes, bytes]:
        return self.id_at(0), self.id_at(self.count - 1)

    def before(self, row_id: bytes, start: int = 0) -> int:
        """Return the place of the first entry at or behind an id."""
        return bisect_left(range(self.count), row_id, start, key=self.id_at)

    def behind(self, row_id: bytes, start: int = 0, stop: int | None = None) -> int:
        """Return the place of the first entry behind an id."""
        return bisect_right(range(self.count), row_id, start, stop, key=self.id_at)

    def find(self, ids: Collection[bytes], low: bytes, high: bytes) -> dict[bytes, bytes]:
        """Return the digests of ids, perhaps among others.

        Args:
            ids: What to look for.
            low: The least of them.
            high: The greatest.
        """
        if not self.count or high < self._ends[0] or low > self._ends[1]:
            return {}
        first = self.before(low)
        last = self.behind(high, first)
        if last - first <= DENSE * len(ids):
            return split(self.read(first, last), self.width)
        found: dict[bytes, bytes] = {}
        if last - first <= SPARSE * len(ids):
            for start in range(first, last, BLOCK):
                some = split(self.read(start, min(start + BLOCK, last)), self.width)
                found |= {row_id: some[row_id] for row_id in some.keys() & ids}
            return found
        for row_id in ids:
            place = self.before(row_id, first)
            found |= split(self.read(place, min(place + 1, self.count)), self.width)
        return found


@dataclass(frozen=True)
class Layer:
    """A table among others, the older ones before it."""

    table: EntryTable
    stray: bool = False
    """Not named by STATE: what it holds may have been loaded, or may not."""


def join(entries: Mapping[bytes, bytes]) -> bytes:
    """Return entries as the bytes of a table."""
    return b"".join(sorted(map(add, entries.keys(), entries.values())))


def split(data: bytes, width: int) -> dict[bytes, bytes]:
    """Return the entries that bytes of a table hold."""
    return dict(iter_unpack(f"{width}s{DIGEST}s", data))


def laid(layers: Iterable[tuple[bool, Mapping[bytes, bytes]]]) -> dict[bytes, bytes]:
    """Return what was noted last of each id.

    Where a stray layer says otherwise it is unknown which of the two a loader holds. What only
    stray layers hold is left out: it may never have been loaded.

    Args:
        layers: Stray or not, and its entries; the oldest first.
    """
    latest: dict[bytes, bytes] = {}
    for stray, entries in layers:
        if not stray:
            latest.update(entries)
            continue
        for row_id, digest in entries.items():
            if latest.get(row_id, digest) != digest:
                latest[row_id] = UNKNOWN
    return latest


def blocks(tables: Sequence[EntryTable]) -> Iterator[list[bytes]]:
    """Walk through tables, the same range of ids in all of them at a time.

    Yields:
        The bytes of each table in that range.
    """
    places = [0] * len(tables)
    step = BLOCK
    while any(place < table.count for place, table in zip(places, tables, strict=True)):
        ends = _ends(tables, places, step)
        count = sum(ends) - sum(places)
        if count > BLOCK and step > 1:
            step //= 2
            continue
        yield [
            table.read(place, end) if place < end else b""
            for table, place, end in zip(tables, places, ends, strict=True)
        ]
        places = ends
        if count <= BLOCK // 2:
            step *= 2


def _ends(tables: Sequence[EntryTable], places: Sequence[int], step: int) -> list[int]:
    """Return up to which places tables have the same range of ids, none further than a step."""
    left = list(zip(tables, places, strict=True))
    cuts = [table.id_at(place + step - 1) for table, place in left if place + step < table.count]
    if not cuts:
        return [table.count for table in tables]
    high = min(cuts)
    return [
        place
        if place == table.count or table.id_at(place) > high
        else table.behind(high, place, min(place + step, table.count))
        for table, place in left
    ]


def merge(layers: Sequence[Layer], doubtful: Collection[bytes] = ()) -> Iterator[bytes]:
    """Return the bytes of one table that holds what was noted last of each id, in pieces.

    Args:
        layers: The tables, at least one, the oldest first.
        doubtful: Ids of NPS answers whose digests are not to be relied on.
    """
    width = layers[0].table.width
    for pieces in blocks([layer.table for layer in layers]):
        filled = [(layer.stray, data) for layer, data in zip(layers, pieces, strict=True) if data]
        if len(filled) == 1 and not filled[0][0] and not doubtful:
            # Those of lists that are read by id follow one another.
            yield filled[0][1]
            continue
        latest = laid((stray, split(data, width)) for stray, data in filled)
        if doubtful:
            latest |= {row_id: UNKNOWN for row_id in latest if row_id[ID:] in doubtful}
        yield join(latest)


@dataclass(frozen=True)
class Difference:
    """Ids in which two sets of tables differ."""

    gone: set[bytes]
    """In the older ones only."""
    stray: set[bytes]
    """In stray ones only."""
    new: set[bytes]
    """In the newer ones only."""


def compare(
    before: Sequence[EntryTable], stray: Sequence[EntryTable], now: Sequence[EntryTable]
) -> Iterator[Difference]:
    """Compare the ids that were known with those that were read, a block at a time."""
    first, second = len(before), len(before) + len(stray)
    for pieces in blocks([*before, *stray, *now]):
        old, new = [b"".join(p for p in group) for group in (pieces[:first], pieces[second:])]
        odd = b"".join(pieces[first:second])
        width = (*before, *stray, *now)[0].width
        if not odd and _same_ids(old, new, width):
            continue
        known, read, extra = (_ids(data, width) for data in (old, new, odd))
        yield Difference(known - read, extra - known - read, read - known)


def _same_ids(one: bytes, other: bytes, width: int) -> bool:
    """Return whether tables hold the same ids, by the first bytes of all, the second, and so on."""
    size = width + DIGEST
    return len(one) == len(other) and all(
        one[place::size] == other[place::size] for place in range(width)
    )


def _ids(data: bytes, width: int) -> set[bytes]:
    return {row_id for (row_id,) in iter_unpack(f"{width}s{DIGEST}x", data)}


def shared(tables: Sequence[EntryTable], suspects: Iterable[bytes]) -> set[bytes]:
    """Return the NPS answers that are noted under more than one contact.

    Args:
        tables: Entries with the ids of a contact and an answer.
        suspects: Ids of answers that may be.
    """
    found: set[bytes] = set()
    rest = iter(suspects)
    while some := set(islice(rest, MOST_SUSPECTS)):
        contact_of: dict[bytes, bytes] = {}
        for row_id, _ in _entries(tables):
            answer = row_id[ID:]
            if answer in some and contact_of.setdefault(answer, row_id[:ID]) != row_id[:ID]:
                found.add(answer)
    return found


def answers(tables: Sequence[EntryTable], digest: bytes | None = None) -> Iterator[bytes]:
    """Return the ids of the NPS answers in tables, perhaps only those of one digest."""
    return (row_id[ID:] for row_id, each in _entries(tables) if digest in (None, each))


def _entries(tables: Sequence[EntryTable]) -> Iterator[tuple[bytes, bytes]]:
    for table in tables:
        for pieces in blocks([table]):
            yield from split(pieces[0], table.width).items()
