"""The custom fields that discovery announces by name and type."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from planhat_api import custom_fields, errors
from planhat_api.resources import CUSTOM_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

SAMPLE_ROWS = 200
"""Newest rows, and oldest rows, of each list by whose values types are found out."""
PATIENCE = 10.0
"""Seconds to try for the definitions: rows tell the types too."""

logger = logging.getLogger("tap-planhat")


def custom_field_schemas(
    client: PlanhatClient, resources: Iterable[Resource]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return resource -> custom field -> JSON Schema.

    By the definitions; where they cannot be read, by a sample of rows.

    Raises:
        AuthenticationError: The token is not valid.
        PlanhatError: Neither definitions nor rows can be read.
    """
    try:
        definitions = list(_definitions(client))
    except (
        errors.PermissionDeniedError,
        errors.NotFoundError,
        errors.PayloadError,
        errors.RetriableError,
    ) as error:
        logger.warning(
            "The definitions of custom fields cannot be read (%s); types are taken from the "
            "newest and oldest rows of each stream instead",
            error.what,
        )
        return {each.name: custom_fields.sampled(_sample(client, each)) for each in resources}
    return {each.name: custom_fields.defined(definitions, each) for each in resources}


def _definitions(client: PlanhatClient) -> Iterator[dict[str, Any]]:
    most = CUSTOM_FIELDS.max_limit or 1
    offset = 0
    while True:
        params = {"limit": most, "offset": offset}
        rows = client.list_rows(CUSTOM_FIELDS, params, give_up_after=PATIENCE)
        yield from rows
        offset += most
        if len(rows) < most:
            return


def _sample(client: PlanhatClient, resource: Resource) -> Iterator[dict[str, Any]]:
    """Yield rows; none of a resource that the token may not read, as it may not be selected."""
    try:
        for filters in resource.lists:
            for sort in ("-_id", "_id"):
                yield from client.list_rows(
                    resource, {**filters, "sort": sort, "limit": SAMPLE_ROWS, "offset": 0}
                )
    except errors.PermissionDeniedError as error:
        logger.warning("%s: its custom fields stay one object", error.what)
