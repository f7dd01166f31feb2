"""The one seam between writing and the client: the calls that the records of one resource need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_api.client import UpsertResponse
from planhat_api.errors import PayloadError

if TYPE_CHECKING:
    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

PROBE_PATIENCE = 4.0
"""Seconds of retries for a call that only finds something out."""


class ResourceApi:
    """Calls Planhat for one resource."""

    def __init__(self, client: PlanhatClient, resource: Resource) -> None:
        """Call nothing yet.

        Args:
            client: Makes the calls.
            resource: What the records are.
        """
        self.resource = resource
        self._client = client

    def upsert(self, body: bytes, *, repeatable: bool, retry_timeout: float) -> UpsertResponse:
        """Send a JSON array of items and return the answer, also one that refuses all of it.

        Args:
            body: The array, encoded.
            repeatable: Sending it twice does no harm.
            retry_timeout: Seconds of retries for failures that a smaller body may not have.

        Raises:
            PlanhatError: There is no answer to read.
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
        return found is not None

    def any_id(self) -> str | None:
        """Return the `_id` of some record, None where there is none, or raise PlanhatError."""
        rows = self._client.list_rows(
            self.resource, {"limit": 1, "select": "_id"}, retry_timeout=PROBE_PATIENCE
        )
        return next((str(row["_id"]) for row in rows if row.get("_id")), None)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return a record by `_id`, `srcid-…` or `extid-…`, or raise PlanhatError."""
        return self._client.get(self.resource, key)

    def delete(self, record_id: str) -> bool:
        """Delete a record by `_id`; False: it was gone already. Raises PlanhatError."""
        return self._client.delete(self.resource, record_id)
