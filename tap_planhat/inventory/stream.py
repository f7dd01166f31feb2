"""The stream `deletions`: what rescans of the other streams find deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from tap_planhat.sdk import BatchStream
from tap_planhat.spec import DELETIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog

    from tap_planhat.sdk import RecordBatch


class DeletionsStream(BatchStream):
    """What rescans of the other streams find deleted; they write its records."""

    selected_by_default = False
    activates = False

    def __init__(self, tap: Tap) -> None:
        """Announce the stream."""
        self.name = DELETIONS
        super().__init__(tap, schema=_DELETIONS_SCHEMA, name=self.name)
        self.primary_keys = ["stream", "_id"]

    @property
    @override
    def version(self) -> int:
        """Return 0: deletions are added to a table, which is never replaced."""
        return 0

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take the selection over, unless there is no inventory: `*.*` of Meltano selects all."""
        super().apply_catalog(catalog)
        if self.selected and not self.config.get("inventory_path"):
            self.selected = False
            self.logger.warning(
                "The stream deletions is left out: it needs the setting inventory_path, a folder "
                "that is kept between runs. Set it, or deselect the stream (under Meltano by "
                "select: ['*.*', '!deletions.*'])"
            )

    @override
    def batches(self) -> Iterator[RecordBatch]:
        """Read nothing: rescans of the other streams write its records."""
        yield from ()


_DELETIONS_SCHEMA = th.PropertiesList(
    th.Property("stream", th.StringType, required=True, description="The stream of the record."),
    th.Property("_id", th.StringType, required=True, description="The record's `_id`."),
    th.Property(
        "deleted_after",
        th.DateTimeType,
        description="When the last sync that found the record began.",
    ),
    th.Property(
        "deleted_before",
        th.DateTimeType,
        description="When the rescan ended that found it no more.",
    ),
).to_dict()


def deletions_are_selected(tap: Tap) -> bool:
    """Return whether rescans have to tell what was deleted."""
    deletions = tap.streams.get(DELETIONS)
    # `--test` selects all streams, and loads nothing.
    return deletions is not None and deletions.selected and deletions.ABORT_AT_RECORD_COUNT is None
