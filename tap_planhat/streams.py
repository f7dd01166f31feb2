"""A stream as the Singer SDK sees it: schema, keys and method. `run.py` reads it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from typing_extensions import override

from planhat_api.dates import to_moment
from planhat_api.errors import SettingsError
from planhat_api.schema import json_schema
from planhat_api.settings import ClientSettings
from tap_planhat.inventory.digest import Digester, fingerprint
from tap_planhat.inventory.folder import open_folder
from tap_planhat.inventory.notes import Notes
from tap_planhat.inventory.stream import deletions_are_selected
from tap_planhat.run import StreamSync
from tap_planhat.sdk import BatchStream, RowsLeftOutError
from tap_planhat.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog, MetadataMapping

    from planhat_api.client import PlanhatClient
    from tap_planhat.sdk import RecordBatch
    from tap_planhat.spec import StreamSpec


SHAPE_VERSION = 1
"""Increased when a version makes other records of the same rows: all are emitted again then."""
SHAPE_SETTINGS = (
    "custom_fields",
    "faker",
    "flattening",
    "rescan_ignores",
    "stream_map",
    "unknown_properties",
)
"""Beginnings of settings that decide about the records a loader gets of the same rows."""


class PlanhatStream(BatchStream):
    """One of the four streams; its `StreamSpec` says which."""

    def __init__(
        self,
        tap: Tap,
        spec: StreamSpec,
        client: Callable[[], PlanhatClient],
        custom: Mapping[str, dict[str, Any]],
    ) -> None:
        """Announce the stream; nothing is asked for yet.

        Args:
            tap: What it belongs to.
            spec: How it is read.
            client: Returns what makes the calls, once they are to be made.
            custom: Custom field -> JSON Schema, for those that are columns of their own.
        """
        self.name = spec.resource.name
        super().__init__(tap, schema=json_schema(spec.resource, custom), name=self.name)
        self.primary_keys = ["_id"]
        self.replication_key = spec.keys[0]
        self.spec = spec
        self._client = client
        self._owner = tap

    @property
    @override
    def metadata(self) -> MetadataMapping:
        metadata = super().metadata
        if self._owner.input_catalog is None:
            metadata.root.valid_replication_keys = list(self.spec.keys)
        return metadata

    @property
    @override
    def version(self) -> int:
        return int(to_moment(self.stream_state["full_table"]["began"]).timestamp())

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        if self.replication_method == "INCREMENTAL" and not self.replication_key:
            self.replication_key = self.spec.keys[0]

    @override
    def batches(self) -> Iterator[RecordBatch]:
        """Read the stream.

        Raises:
            SettingsError: The catalog asks for a replication key or method this stream does not
                have.
            RowsLeftOutError: All was read but some rows without an id.
        """
        keys, method = self.spec.keys, self.replication_method
        key = self.replication_key if method == "INCREMENTAL" else None
        if method not in {"INCREMENTAL", "FULL_TABLE"} or (key and key not in keys):
            raise SettingsError(
                f"{self.name} cannot be read {f'by {key}' if key else f'as {method}'}: choose "
                f"replication key {' or '.join(keys)}, or replication method FULL_TABLE, in "
                "the catalog"
            )
        shape = self._shape()
        # What `--test` reads is loaded by nobody.
        folder = None if self.ABORT_AT_RECORD_COUNT else self.config.get("inventory_path")
        yield from StreamSync(
            self.spec,
            key,
            shape,
            self._client(),
            self.config,
            self.stream_state,
            open_notes=partial(self._open_notes, folder) if folder else None,
            names_deleted=deletions_are_selected(self._owner),
        ).batches()
        if shape.left_out:
            raise RowsLeftOutError(
                f"{self.name}: {shape.left_out} rows have no id and were left out; all others were "
                "read. Delete or repair them in Planhat"
            )

    def _shape(self) -> Shape:
        """Return the maker of the records that the catalog announces; its types stay in use."""
        properties = self.effective_schema["properties"]
        custom = properties.get("custom", {}).get("properties", {})
        return Shape(
            self.spec.resource,
            [name for name in properties if self.mask.get(("properties", name), True)],
            unknown=self.config["unknown_properties"],
            custom={
                name: schema
                if self.mask.get(("properties", "custom", "properties", name), True)
                else None
                for name, schema in custom.items()
            },
        )

    def _open_notes(self, folder: str, saved: Mapping[str, Any] | None) -> Notes:
        config = self.config
        properties = self.effective_schema["properties"]
        selected = [name for name in properties if self.mask.get(("properties", name), True)]
        shaping = {name: config[name] for name in config if name.startswith(SHAPE_SETTINGS)}
        shape = fingerprint([SHAPE_VERSION, selected, self.schema, shaping])
        host = urlsplit(ClientSettings.of(config).base_url).hostname
        companies = sorted(config.get("company_ids") or ())
        return Notes(
            self.spec.resource,
            Digester(shape, config.get("rescan_ignores") or ()),
            open_folder(folder),
            saved,
            shape=shape,
            reach=fingerprint([host, companies, config.get("start_date")]),
            now=self._client().clock.now,
        )
