"""The four streams: what each is read along, and in which passes.

Data, where it can be: how these are carried out is `run.py`'s business.
"""

from __future__ import annotations

from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from planhat_api import resources
from planhat_api.dates import to_moment, to_text
from planhat_api.errors import SettingsError
from planhat_api.schema import json_schema
from tap_planhat.run import StreamSync
from tap_planhat.sdk import BatchStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.singerlib import Catalog, MetadataMapping

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource
    from tap_planhat.sdk import RecordBatch
    from tap_planhat.tap import TapPlanhat

Filters = MappingProxyType[str, "str | int"]


def _filters(**filters: str | int) -> Filters:
    return MappingProxyType(filters)


class PlanhatStream(BatchStream):
    """What the four streams share; they differ in the data below."""

    resource: ClassVar[Resource]
    keys: ClassVar[tuple[str, ...]]
    """Valid replication keys, the default first."""
    start_key: ClassVar[str]
    """The property `start_date` speaks of where there is no replication key."""
    filters: ClassVar[tuple[Filters, ...]] = (_filters(),)
    """The filters of the lists that make up the stream, one pass each."""
    moves_back: ClassVar[str | None] = None
    """The date by which rows are found that moved from the second list back to the first."""
    window: ClassVar[str | None] = None
    """The filter that takes an age in days; such a list is not sorted by its key."""
    unique_ids: ClassVar[bool] = True
    """No two rows of a list share an `_id`."""

    def __init__(self, tap: TapPlanhat) -> None:
        """Announce the stream; nothing is asked for yet."""
        self.name = self.resource.name
        super().__init__(tap, schema=json_schema(self.resource), name=self.resource.name)
        self.primary_keys = ["_id"]
        self.replication_key = self.keys[0]
        self.began = datetime.fromtimestamp(tap.initialized_at / 1000, timezone.utc)
        """When the run began."""
        self._planhat = tap

    @property
    def client(self) -> PlanhatClient:
        """What makes the calls.

        Raises:
            SettingsError: The token, region or URL cannot be used.
        """
        return self._planhat.client

    @property
    def full_table_began(self) -> datetime:
        """When the reading of the full table began, perhaps in an earlier run."""
        table: dict[str, Any] = self.stream_state.setdefault(
            "full_table", {"began": to_text(self.began)}
        )
        return to_moment(table["began"])

    @property
    @override
    def metadata(self) -> MetadataMapping:
        metadata = super().metadata
        if self._planhat.input_catalog is None:
            metadata.root.valid_replication_keys = list(self.keys)
        return metadata

    @property
    @override
    def version(self) -> int:
        return int(self.full_table_began.timestamp())

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        if self.replication_method == "INCREMENTAL" and not self.replication_key:
            self.replication_key = self.keys[0]

    @override
    def batches(self) -> Iterator[RecordBatch]:
        """Read the stream's lists, one after the other.

        Raises:
            SettingsError: The catalog asks for a replication key or method this stream does not
                have.
        """
        method = self.replication_method
        key = self.replication_key if method == "INCREMENTAL" else None
        if method not in {"INCREMENTAL", "FULL_TABLE"} or (key and key not in self.keys):
            raise SettingsError(
                f"{self.name} cannot be read {f'by {key}' if key else f'as {method}'}: choose "
                f"replication key {' or '.join(self.keys)}, or replication method FULL_TABLE, in "
                "the catalog"
            )
        yield from StreamSync(self, key).batches()


class Campaigns(PlanhatStream):
    """Campaigns, in the order of their making."""

    resource = resources.CAMPAIGNS
    keys = ("_id", "updatedAt")
    start_key = "_id"


class Conversations(PlanhatStream):
    """Conversations in the order of their arrival: an imported mail's own dates are old."""

    resource = resources.CONVERSATIONS
    keys = ("_id", "updatedAt")
    start_key = "_id"


class Nps(PlanhatStream):
    """NPS answers of any age; a list row's `_id` is the contact's, who may have several."""

    resource = resources.NPS
    keys = ("dateAnswered",)
    start_key = "dateAnswered"
    window = "npsExpiryDay"
    unique_ids = False


class Tasks(PlanhatStream):
    """Tasks, the archived ones in a list of their own."""

    resource = resources.TASKS
    keys = ("updatedAt", "_id")
    start_key = "updatedAt"
    filters = (_filters(isArchived="false"), _filters(isArchived="true"))
    moves_back = "updatedAt"


STREAMS: Sequence[type[PlanhatStream]] = (Campaigns, Conversations, Nps, Tasks)
