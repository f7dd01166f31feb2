"""Finds the rows of a rescan that are new or changed: a join with what runs noted before. Pure."""

from __future__ import annotations

from itertools import compress, count
from operator import ne
from typing import TYPE_CHECKING

from tap_planhat.inventory.entries import ID, UNKNOWN, join, laid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tap_planhat.inventory.entries import Layer


class Join:
    """Compares the rows of a reading with what was noted, and notes them.

    Rows may come in any order, and more than once; pages in the order of ids are found fastest.
    """

    def __init__(self, layers: Sequence[Layer], shared: Collection[bytes] = ()) -> None:
        """Begin with what earlier runs noted.

        Args:
            layers: Their tables, the oldest first.
            shared: Ids of NPS answers that were noted under more than one contact: which of them
                a loader holds is unknown.
        """
        self._layers = list(layers)
        self._shared = frozenset(shared)
        self._pending: dict[bytes, bytes] = {}

    @property
    def pending(self) -> int:
        """Rows noted that are in no table yet."""
        return len(self._pending)

    def take(self) -> bytes:
        """Hand over what is pending, as the bytes of a table, and forget it."""
        data = join(self._pending)
        self._pending = {}
        return data

    def add(self, layer: Layer) -> None:
        """Look into one more table from now on."""
        self._layers.append(layer)

    def replace(self, old: Sequence[Layer], new: Layer) -> None:
        """Look into one table where there were several."""
        place = self._layers.index(old[0])
        self._layers = [layer for layer in self._layers if layer not in old]
        self._layers.insert(place, new)

    def note(self, ids: Sequence[bytes | None], digests: Sequence[bytes]) -> None:
        """Note rows that are emitted in any case."""
        self._pending |= noted(ids, digests)

    def news(self, ids: Sequence[bytes | None], digests: Sequence[bytes]) -> list[int]:
        """Note rows, and return the places of those to emit.

        Args:
            ids: Their ids; None for what cannot be noted, and is always emitted.
            digests: The digests of their records.
        """
        entries = noted(ids, digests)
        latest = self._latest(entries.keys()) if entries else {}
        self._pending |= entries
        if len(entries) == len(ids):
            return list(compress(count(), map(ne, map(latest.get, entries), digests)))
        places = []
        for place, (row_id, digest) in enumerate(zip(ids, digests, strict=True)):
            if row_id is None or latest.get(row_id) != digest:
                places.append(place)
            if row_id:
                latest[row_id] = digest
        return places

    def _latest(self, ids: Collection[bytes]) -> dict[bytes, bytes]:
        low, high = min(ids), max(ids)
        layers = [(layer.stray, layer.table.find(ids, low, high)) for layer in self._layers]
        latest = laid((stray, entries) for stray, entries in layers if entries)
        if self._shared:
            latest |= {row_id: UNKNOWN for row_id in ids if row_id[ID:] in self._shared}
        # What this reading has noted itself counts in any case.
        pending = self._pending
        if not pending.keys().isdisjoint(ids):
            latest |= {row_id: pending[row_id] for row_id in ids if row_id in pending}
        return latest


def noted(ids: Iterable[bytes | None], digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the entries of rows: the last of each id, and none where there is no id."""
    entries = dict(zip(ids, digests, strict=True))
    entries.pop(None, None)
    return entries  # type: ignore[return-value]
