"""What incremental syncs add to an inventory: small generations of the rows they emit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_planhat.inventory.entries import Layer, merge
from tap_planhat.inventory.files import UnusableError
from tap_planhat.inventory.join import Join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_planhat.inventory.shelf import Shelf

MOST_SMALL = 8
"""Small generations that STATE names before they become one."""


class Increments:
    """Notes rows that are emitted without comparison."""

    def __init__(self, shelf: Shelf) -> None:
        """Start empty."""
        self._shelf = shelf
        self._join = Join(())

    def note(self, ids: Sequence[bytes | None], digests: Sequence[bytes]) -> None:
        """Note rows.

        Args:
            ids: Their ids; None for what cannot be noted.
            digests: The digests of their records.
        """
        self._join.note(ids, digests)

    def flush(self) -> None:
        """Write what was noted: before the records leave, and before STATE passes them.

        Raises:
            InventoryError: It cannot be written.
        """
        if self._join.pending:
            shelf = self._shelf
            shelf.named.small.append(shelf.add([self._join.take()]))
            self._fold()

    def _fold(self) -> None:
        """Make one of the small generations, so that STATE stays short."""
        shelf, small = self._shelf, self._shelf.named.small
        # The one that holds what a rescan read stays as it is.
        first = small.index(shelf.named.withheld) + 1 if shelf.named.withheld else 0
        names = small[first:]
        if len(names) <= MOST_SMALL:
            return
        try:
            headers = [shelf.header(name) for name in names]
        except UnusableError:
            # The next rescan tells.
            return
        if all(header.range == shelf.kind.range for header in headers):
            layers = [Layer(table) for table in shelf.tables(names)]
            small[first:] = [shelf.add(merge(layers), replaces=shelf.replaced(names))]
        shelf.close()
