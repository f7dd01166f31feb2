"""The stream `deletions`: what rescans of the other streams find deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from planhat_api.errors import SettingsError
from tap_planhat.sdk import BatchStream
from tap_planhat.spec import DELETIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap

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
        self._owner = tap

    @property
    @override
    def version(self) -> int:
        """Return 0: deletions are added to a table, which is never replaced."""
        return 0

    @override
    def batches(self) -> Iterator[RecordBatch]:
        """Yield nothing: rescans write the records. Only the settings are checked.

        Raises:
            SettingsError: inventory_path is not set.
        """
        deletions_are_selected(self._owner)
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
    """Return whether the stream `deletions` is selected.

    Raises:
        SettingsError: It is, and there is nothing to tell deletions by.
    """
    deletions = tap.streams.get(DELETIONS)
    if deletions is None or not deletions.selected or deletions.ABORT_AT_RECORD_COUNT is not None:
        # `--test` selects all streams, and loads nothing.
        return False
    if not tap.config.get("inventory_path"):
        raise SettingsError(
            "the stream deletions needs the setting inventory_path, a folder that is kept between "
            "runs; set it, or deselect the stream (under Meltano by select: ['*.*', "
            "'!deletions.*'])"
        )
    return True
