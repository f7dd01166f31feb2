"""JSON Schemas of a tenant's custom fields: from their definitions, or from values seen."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from planhat_api import errors
from planhat_api.resources import CUSTOM_FIELDS, Kind
from planhat_api.schema import kind_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import Resource

SAMPLE_ROWS = 200
"""Newest rows, and oldest rows, of each list by whose values types are found out."""
PATIENCE = 10.0
"""Seconds to try for the definitions: rows tell the types too."""

_KINDS: Mapping[str, Kind] = {
    "number": Kind.NUMBER,
    "rating": Kind.NUMBER,
    "checkbox": Kind.BOOLEAN,
    # A day may come as a date without a time, or as a number: text holds each of them.
    "date": Kind.DATE,
    "multipicklist": Kind.ARRAY,
    "team members": Kind.ARRAY,
    "endusers": Kind.ARRAY,
}
"""Type of a definition -> type of its values. All others (text, rich text, list, day, team member,
rating, phone, email, enduser, url, and what is not documented) hold text."""
_JSON_KINDS: Mapping[type, Kind] = {
    bool: Kind.BOOLEAN,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
    list: Kind.ARRAY,
    dict: Kind.OBJECT,
}


logger = logging.getLogger(__name__)


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
    except errors.UnreachableError:
        # Rows could not be read either.
        raise
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
        return {each.name: sampled(_sample(client, each)) for each in resources}
    return {each.name: defined(definitions, each) for each in resources}


def defined(definitions: Iterable[Any], resource: Resource) -> dict[str, dict[str, Any]]:
    """Return name -> nullable JSON Schema of the custom fields that a resource's records may hold.

    Args:
        definitions: Objects of `GET /customfields` with `name`, `type` and `parent`; others are
            passed over.
        resource: Whose fields.
    """
    found: dict[str, Kind] = {}
    for one in definitions:
        if not isinstance(one, dict) or not isinstance(name := one.get("name"), str):
            continue
        if not name or str(one.get("parent")).lower() not in {resource.name, resource.singular}:
            continue
        kind = _KINDS.get(" ".join(str(one.get("type")).lower().split()), Kind.TEXT)
        # Text holds what two definitions of one name contradict each other in.
        found[name] = kind if found.get(name, kind) is kind else Kind.TEXT
    return _schemas(found)


def sampled(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return name -> nullable JSON Schema of the custom fields that rows hold.

    The type is that of most values; text that looks like a date is text, as it may be.
    """
    seen: dict[str, Counter[Kind]] = defaultdict(Counter)
    for row in rows:
        custom = row.get("custom")
        for name, value in custom.items() if isinstance(custom, dict) else ():
            if name and value is not None:
                seen[name][_JSON_KINDS[type(value)]] += 1
    return _schemas({name: kinds.most_common(1)[0][0] for name, kinds in seen.items()})


def _schemas(kinds: Mapping[str, Kind]) -> dict[str, dict[str, Any]]:
    return {name: kind_schema(kind) for name, kind in sorted(kinds.items())}


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
    """Yield sample rows; none of a resource that the token may not read."""
    try:
        for filters in resource.lists:
            for sort in ("-_id", "_id"):
                yield from client.list_rows(
                    resource, {**filters, "sort": sort, "limit": SAMPLE_ROWS, "offset": 0}
                )
    except errors.PermissionDeniedError as error:
        logger.warning("%s: its custom fields stay one object", error.what)
