"""Asks for rows that a full sync or rescan did not find, before they are named as deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planhat_api.dates import to_text
from planhat_api.errors import PlanhatError
from planhat_api.pages import PATIENCE
from planhat_api.paging import Position
from tap_planhat.inventory.deletions import Fate
from tap_planhat.inventory.digest import entry_ids
from tap_planhat.lists.bookmark import ReadPlan, plan_read
from tap_planhat.lists.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planhat_api.client import PlanhatClient
    from tap_planhat.inventory.notes import Notes
    from tap_planhat.lists.bookmark import ListSpec, ReadSettings
    from tap_planhat.lists.lists import Lists
    from tap_planhat.spec import StreamSpec


@dataclass(frozen=True)
class SecondLook:
    """Asks for single rows of a stream, or for the ids of all."""

    spec: StreamSpec
    lists: Lists
    client: PlanhatClient
    order: ListSpec
    """How the lists were read."""
    settings: ReadSettings

    def deleted(self, notes: Notes, *, names: bool) -> list[dict[str, Any]]:
        """End a full sync or rescan, and return the records of the stream `deletions`.

        Args:
            notes: What was known and what was read.
            names: Whether deleted records are to be named.

        Raises:
            InventoryError: The new base cannot be written.
            PlanhatError: The lists cannot be read again.
        """
        several = len(self.spec.lists) > 1 or self.lists.companies or self.settings.start_date
        asks = several and self.spec.unique_ids
        since, ended = notes.known_since, to_text(self.client.clock.now())
        gone = notes.end(names=names, ask=self._fate if asks else None, read_again=self._ids)
        stream = self.spec.resource.name
        return [
            {"stream": stream, "_id": each, "deleted_after": since, "deleted_before": ended}
            for each in gone
        ]

    def _fate(self, row_id: bytes) -> Fate:
        """Ask what became of a row."""
        try:
            row = self.client.get(self.spec.resource, row_id.hex(), retry_timeout=PATIENCE)
        except PlanhatError:
            return Fate.INSIDE
        if row is None:
            return Fate.GONE
        date, since = self.order.key_of(row), plan_read(self.order, {}, self.settings).since
        wanted = self.lists.companies.includes(row) and (not date or date >= since)
        return Fate.INSIDE if wanted else Fate.OUTSIDE

    def _ids(self) -> Iterator[bytes]:
        """Read the ids of all lists."""
        began = to_text(self.settings.now)
        plan = ReadPlan("", "", full=True, by_key=True, began=began, start=Position())
        for filters in self.spec.lists:
            pages = self.lists.pages(self.lists.query(filters), ids_only=True)
            try:
                for step in read(self.lists.by_id, {}, self.settings, pages, plan):
                    ids = entry_ids(self.spec.resource, self.lists.companies.wanted(step.rows))
                    yield from (each for each in ids if each)
            finally:
                pages.close()
