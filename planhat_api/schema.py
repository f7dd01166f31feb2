"""JSON Schema of a resource, made from its property table.

The one place that says how Planhat's types look in JSON. Knows no HTTP and no Singer SDK.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from planhat_api.resources import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Property, Resource

JSON_TYPES: Mapping[Kind, Mapping[str, Any]] = {
    Kind.OBJECT_ID: {"type": "string"},
    Kind.TEXT: {"type": "string"},
    Kind.DATE: {"type": "string", "format": "date-time"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    # What the elements are differs from property to property and from tenant to tenant.
    Kind.ARRAY: {"type": "array", "items": {}},
    # With `properties`, even empty, flattening would keep these alone; without, it keeps the JSON.
    Kind.OBJECT: {"type": "object", "additionalProperties": True},
}


OTHER = "other"
"""The column for properties that the schema does not name."""
_OTHER_SCHEMA = {
    "type": ["object", "null"],
    "additionalProperties": True,
    "description": (
        "What Planhat returns besides the columns above, by Planhat's names; null where that is "
        "nothing. Custom fields that have no column of their own are in its `custom`."
    ),
}


def kind_schema(kind: Kind, *, nullable: bool = True) -> dict[str, Any]:
    """Return the JSON Schema of a value of some kind."""
    # A copy all the way down: the SDK and stream maps write into schemas.
    schema = deepcopy(dict(JSON_TYPES[kind]))
    return {**schema, "type": [schema["type"], "null"]} if nullable else schema


def property_schema(item: Property) -> dict[str, Any]:
    """Return the JSON Schema of one property: everything but `_id` may be null."""
    note = "" if item.documented else " Not in Planhat's property table."
    return {
        **kind_schema(item.kind, nullable=item.name != "_id"),
        "description": item.description + note,
    }


def json_schema(
    resource: Resource, custom: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the JSON Schema of the records of a resource, in the property table's shape.

    Args:
        resource: Whose records.
        custom: Custom field -> JSON Schema, for the fields that are to be announced by name.
    """
    properties = {item.name: property_schema(item) for item in resource.properties.values()}
    if custom:
        properties["custom"]["properties"] = deepcopy(dict(custom))
    properties[OTHER] = deepcopy(_OTHER_SCHEMA)
    return {"type": "object", "properties": properties, "required": ["_id"]}
