"""Connects a sync with its inventory: notes what is read, and finds what is to be emitted."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from tap_planhat.inventory.deletions import Verdict, judge
from tap_planhat.inventory.digest import entry_ids, rows_of
from tap_planhat.inventory.entries import ID
from tap_planhat.inventory.increments import Increments
from tap_planhat.inventory.rescan import Rescan
from tap_planhat.inventory.shelf import EntryKind, Named, Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from planhat_api.paging import Row
    from planhat_api.resources import Resource
    from tap_planhat.inventory.deletions import Fate
    from tap_planhat.inventory.digest import Digester
    from tap_planhat.inventory.folder import Folder
    from tap_planhat.writer import Record

logger = logging.getLogger("tap-planhat")

STATE_EVERY = 10.0
"""Seconds between two STATEs of a full sync or rescan: before each the inventory is written."""


class Notes:
    """Keeps the inventory of one stream while a run reads it."""

    def __init__(
        self,
        resource: Resource,
        digester: Digester,
        folder: Folder,
        saved: Mapping[str, Any] | None,
        *,
        shape: str,
        reach: str,
        now: Callable[[], datetime],
    ) -> None:
        """Open the inventory.

        Args:
            resource: What the stream reads.
            digester: Makes the digests.
            folder: Where the files are.
            saved: What STATE says of it.
            shape: What the digests depend on besides the rows.
            reach: What decides which rows are read at all.
            now: Planhat's time.

        Raises:
            InventoryError: The folder cannot be read.
        """
        width = ID if resource.id_in_lists == "_id" else 2 * ID
        kind = EntryKind(resource.name, width, shape, reach)
        self._resource, self._digester = resource, digester
        self._shelf = Shelf(folder, kind, Named.of(resource.name, saved), now)
        self._increments = Increments(self._shelf)
        self._rescan: Rescan | None = None
        self._said = time.monotonic()
        self._read = self._emitted = 0

    def begin(self, began: str, *, resumed: bool, everything: bool) -> bool:
        """Begin or resume a full sync or rescan; return False if it cannot be resumed.

        Args:
            began: When it began.
            resumed: An earlier run has read a part of it.
            everything: All rows are emitted, also those that have not changed.

        Raises:
            InventoryError: The files cannot be read.
        """
        self._rescan = Rescan(self._shelf, began, resumed=resumed, everything=everything)
        return self._rescan.resumed or not resumed

    def take(self, rows: Sequence[Row], records: Sequence[Record]) -> Sequence[Record]:
        """Note rows, and return the records of those to emit.

        Raises:
            InventoryError: That they are emitted could not be written down.
        """
        encoded, digests = self._digester.encode(records)
        if len(rows) > len(records):
            rows = list(rows_of(self._resource, records, rows))
        ids = entry_ids(self._resource, rows)
        if self._rescan is None:
            self._increments.note(ids, digests)
            self._increments.flush()
            return encoded
        places = self._rescan.news(ids, digests)
        self._read += len(records)
        self._emitted += len(places)
        return encoded if len(places) == len(records) else [encoded[place] for place in places]

    def ready(self, *, anyway: bool = False) -> bool:
        """Return whether STATE may pass the rows taken; it then names the files that hold them.

        Args:
            anyway: However short a time ago the last STATE was.

        Raises:
            InventoryError: They cannot be written.
        """
        if self._rescan is None:
            return True
        if not anyway and time.monotonic() - self._said < STATE_EVERY:
            return False
        self._rescan.flush()
        self._said = time.monotonic()
        return True

    def saved(self) -> dict[str, Any]:
        """Return what STATE must say."""
        return self._shelf.named.saved()

    @property
    def known_since(self) -> str:
        """When the reading of what was known before began; "" where nothing was."""
        return self._rescan.known_since if self._rescan else ""

    def end(
        self,
        *,
        names: bool,
        ask: Callable[[bytes], Fate] | None,
        read_again: Callable[[], Iterable[bytes]],
    ) -> Sequence[str]:
        """End a full sync or rescan that has reached its end: make the new base.

        Args:
            names: Whether deleted records are to be named.
            ask: As for `judge`.
            read_again: As for `judge`.

        Returns:
            The ids of deleted records.

        Raises:
            InventoryError: The base cannot be written.
        """
        rescan = self._rescan
        if rescan is None:
            return ()
        self._log(rescan)
        rescan.flush()
        verdict = judge(rescan, ask=ask, read_again=read_again) if names else Verdict()
        if verdict is None:
            logger.error(
                "%s: more than half of the rows that were read before are missing. None is named "
                "as deleted: check what the token may read. What is missing at the next rescan "
                "too will be named",
                self._resource.name,
            )
            rescan.withhold()
            return ()
        rescan.finish(verdict.kept)
        return [row_id.hex() for row_id in verdict.gone]

    def _log(self, rescan: Rescan) -> None:
        if rescan.everything:
            return
        advice = ""
        if self._emitted > self._read / 2:
            advice = (
                ". If properties that change by themselves, such as formula fields, are the "
                "cause, name them in the setting rescan_ignores"
            )
        logger.info(
            "%s: the rescan emitted %s of %s rows%s",
            self._resource.name,
            f"{self._emitted:,}",
            f"{self._read:,}",
            advice,
        )

    def close(self) -> None:
        """Read no more."""
        self._shelf.close()
