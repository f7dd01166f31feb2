"""A sorted list in blocks: cheap to change, and to slice at any offset."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Entry = tuple[Any, ...]

BLOCK = 1000
"""Entries of a block when it is made; it is split at twice as many."""


class SortedBlocks:
    """Distinct tuples in ascending order."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Sort the entries once; from then on they are kept in order."""
        ordered = sorted(entries)
        self._blocks = [ordered[i : i + BLOCK] for i in range(0, len(ordered), BLOCK)]
        self._last = [block[-1] for block in self._blocks]
        # Position of each block's first entry; thrown away by a change, made again when needed.
        self._starts: list[int] | None = None
        self._length = len(ordered)

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._length

    def add(self, entry: Entry) -> None:
        """Put an entry in its place."""
        self._starts = None
        self._length += 1
        if not self._blocks:
            self._blocks.append([entry])
            self._last.append(entry)
            return
        index = min(bisect_left(self._last, entry), len(self._blocks) - 1)
        block = self._blocks[index]
        insort(block, entry)
        self._last[index] = block[-1]
        if len(block) > 2 * BLOCK:
            self._blocks[index : index + 1] = [block[:BLOCK], block[BLOCK:]]
            self._last[index : index + 1] = [block[BLOCK - 1], block[-1]]

    def remove(self, entry: Entry) -> None:
        """Take an entry out.

        Raises:
            KeyError: There is no such entry.
        """
        index = bisect_left(self._last, entry)
        block = self._blocks[index] if index < len(self._blocks) else []
        place = bisect_left(block, entry)
        if place == len(block) or block[place] != entry:
            raise KeyError(entry)
        self._starts = None
        self._length -= 1
        del block[place]
        if block:
            self._last[index] = block[-1]
        else:
            del self._blocks[index], self._last[index]

    def position(self, entry: Entry) -> int:
        """Return how many entries are smaller; a shorter tuple comes before its extensions."""
        index = bisect_left(self._last, entry)
        if index == len(self._blocks):
            return self._length
        return self._first_positions()[index] + bisect_left(self._blocks[index], entry)

    def at(self, position: int) -> Entry:
        """Return the entry at a position, which must be there."""
        starts = self._first_positions()
        index = bisect_right(starts, position) - 1
        return self._blocks[index][position - starts[index]]

    def slice(self, start: int, stop: int) -> list[Entry]:
        """Return the entries from `start` up to `stop`, as far as there are any."""
        found: list[Entry] = []
        if start >= min(stop, self._length):
            return found
        starts = self._first_positions()
        index = bisect_right(starts, start) - 1
        while index < len(self._blocks) and starts[index] < stop:
            low = max(0, start - starts[index])
            found += self._blocks[index][low : stop - starts[index]]
            index += 1
        return found

    def _first_positions(self) -> list[int]:
        if self._starts is None:
            lengths = [len(block) for block in self._blocks]
            self._starts = [0, *accumulate(lengths[:-1])]
        return self._starts
