"""Finds the rows of a rescan that are new or changed: a join with what runs noted before. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_planhat.inventory.entries import ID, UNKNOWN, join, laid

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
        pairs = zip(ids, digests, strict=True)
        self._pending.update((row_id, digest) for row_id, digest in pairs if row_id)

    def news(self, ids: Sequence[bytes | None], digests: Sequence[bytes]) -> list[int]:
        """Note rows, and return the places of those to emit.

        Args:
            ids: Their ids; None for what cannot be noted, and is always emitted.
            digests: The digests of their records.
        """
        known = [row_id for row_id in ids if row_id]
        latest = self._latest(known) if known else {}
        pending, places = self._pending, []
        for place, row_id in enumerate(ids):
            if row_id is None:
                places.append(place)
                continue
            digest = digests[place]
            if latest.get(row_id) != digest:
                places.append(place)
                latest[row_id] = digest
            pending[row_id] = digest
        return places

    def _latest(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        low, high = min(ids), max(ids)
        layers = [(layer.stray, layer.table.find(ids, low, high)) for layer in self._layers]
        latest = laid((stray, entries) for stray, entries in layers if entries)
        if self._shared:
            latest |= {row_id: UNKNOWN for row_id in ids if row_id[ID:] in self._shared}
        # What this reading has noted itself counts in any case.
        pending = self._pending
        latest |= {row_id: pending[row_id] for row_id in ids if row_id in pending}
        return latest
