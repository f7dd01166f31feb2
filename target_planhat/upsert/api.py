"""The one seam between writing and the client: the calls that the records of one resource need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_api.client import UpsertResponse
from planhat_api.errors import NotFoundError, PayloadError
from target_planhat.tenant.rows import TenantRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

PROBE_PATIENCE = 4.0
"""Seconds of retries for a call that only finds something out."""


class ResourceApi:
    """Calls Planhat for one resource."""

    def __init__(
        self,
        client: PlanhatClient,
        resource: Resource,
        known_records: Callable[[], TenantRows | None] = lambda: None,
    ) -> None:
        """Call nothing yet.

        Args:
            client: Makes the calls.
            resource: What the records are.
            known_records: Returns all records that Planhat has, where they were read already.
        """
        self.known_records = known_records
        self.resource = resource
        self._client = client
        self._missing: str | None = None

    def upsert(self, body: bytes, *, repeatable: bool, retry_timeout: float) -> UpsertResponse:
        """Send a JSON array of items and return the answer, also one that refuses all of it.

        Args:
            body: The array, encoded.
            repeatable: Sending it twice does no harm.
            retry_timeout: Seconds of retries for failures that a smaller body may not have.

        Raises:
            PlanhatError: No answer came that can be read.
        """
        try:
            return self._client.bulk_upsert(
                self.resource, body, repeatable=repeatable, retry_timeout=retry_timeout
            )
        except PayloadError as error:
            # A 4xx without a meaning of its own: refused as a whole, as 400 without lists.
            return UpsertResponse(error.status, None, error.what)

    def exists(self, record_id: str) -> bool:
        """Return whether Planhat has a record with an `_id`, or raise PlanhatError."""
        found = self._client.get(self.resource, record_id, retry_timeout=PROBE_PATIENCE)
        return found is not None and str(found.get("_id", "")).lower() == record_id.lower()

    def all_records(self) -> TenantRows:
        """Return all records that there are, with their keys, or raise PlanhatError."""
        rows = TenantRows(self.resource, ())
        rows.read_from(self._client)
        return rows

    def is_newer_than(self, rows: TenantRows, record_id: str) -> bool:
        """Return whether a record may have come since all were listed: an `_id` holds its time."""
        return record_id >= rows.young and self.resource.id_in_lists == "_id"

    def find(self, name: str, value: str) -> dict[str, Any] | None:
        """Return the record that a read by a key answers with, or raise PlanhatError.

        Args:
            name: A key for which the resource has a prefix.
            value: Its value.
        """
        prefixes = {key: prefix for prefix, key in self.resource.path_prefixes.items()}
        return self._client.get(self.resource, prefixes[name] + value)

    def why_missing_means_nothing(self) -> str:
        """Return why a 404 does not prove that a record is missing, or "". Asks only once.

        Something on the way to Planhat may let nothing but writing through, and answer 404.

        Raises:
            PlanhatError: It cannot be found out.
        """
        if self._missing is None:
            self._missing = self._doubt()
        return self._missing

    def _doubt(self) -> str:
        try:
            rows = self._client.list_rows(
                self.resource, {"limit": 1, "select": "_id"}, retry_timeout=PROBE_PATIENCE
            )
        except NotFoundError as error:
            return f"its list is answered with {error.what}"
        listed = next((str(row["_id"]) for row in rows if row.get("_id")), None)
        # A single one is read by what its list calls `_id`, which may be another's.
        if listed is None or self.resource.id_in_lists != "_id" or self.exists(listed):
            return ""
        return "not even a listed one is found by its _id"

    def delete(self, record_id: str) -> bool:
        """Delete a record by `_id`; False: it was gone already. Raises PlanhatError."""
        return self._client.delete(self.resource, record_id)
