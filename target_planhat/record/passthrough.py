"""Finds records whose values can be sent as they came, by one call of a compiled validator.

Most records of most sources need no conversion. To find that out value by value, as `values.py`
must, takes several times as long as everything else that is done about such a record.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from target_planhat.record import numbers, values
from target_planhat.record.schemas import SchemaError, compiled, validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Schema = dict[str, Any]

_DEPTH = 4
"""Levels of lists and objects that are looked through; deeper ones are converted."""
_HELD = {"minimum": -(2**63), "maximum": 2**63 - 1}
_COUNTED = {"minimum": -(2**53), "maximum": 2**53}
_DAY = (
    "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}"


def _json(depth: int) -> Schema:
    """Return the schema of any JSON value, nested so deep at most."""
    plain = ["null", "boolean", "number", "string"]
    if depth == 0:
        return {"type": plain, **_HELD}
    within = _json(depth - 1)
    return {
        "type": [*plain, "array", "object"],
        **_HELD,
        "items": within,
        "additionalProperties": within,
    }


_JSON = {f"target-planhat-{depth}": _json(depth) for depth in (_DEPTH - 1, _DEPTH)}


def _any_json(depth: int) -> Schema:
    # Compiled once for all columns: put into each of them, it takes 100 KB a column.
    return {"$ref": f"#/$defs/target-planhat-{depth}"}


_OBJECT_ID = {"type": ["string", "null"], "pattern": "^[0-9a-f]{24}$"}
_DISTINCT = {"exclusiveMinimum": -(2**63), "maximum": 2**63 - 1}
"""Beyond these limits integers were decoded to floats, of which each stands for several."""
_FILLED = {"type": ["string", "null"], "pattern": "[!-~]"}
_SCHEMAS: Mapping[Callable[[Any], Any], Schema] = {
    values.object_id: _OBJECT_ID,
    values.company: _OBJECT_ID,
    values.named_company: _OBJECT_ID,
    values.named_user: _OBJECT_ID,
    values.company_by_external_id: {"type": "null"},
    values.text: {"type": ["string", "null"]},
    values.filled_text: _FILLED,
    values.key_text: _FILLED,
    values.exact_text: _DISTINCT,
    values.moment: {"type": ["string", "null"], "pattern": f"^[1-9][0-9]{{3}}-{_DAY}T{_TIME}Z$"},
    numbers.integer: {"type": ["integer", "null"], **_COUNTED},
    numbers.number: {"type": ["number", "null"], **_HELD},
    values.boolean: {"type": ["boolean", "null"]},
    values.array: {"type": ["array", "null"], "items": _any_json(_DEPTH - 1)},
    values.mapping: {
        "type": ["object", "null"],
        "additionalProperties": _any_json(_DEPTH - 1),
    },
    values.flattened_value: {**_any_json(_DEPTH), "pattern": r"^([^\[{]|$)"},
}
"""A converter -> the JSON values that it returns unchanged, or null; 3.0 counts as 3."""


_OWN_RULES = frozenset({"$schema", "$ref", "$id", "unevaluatedProperties"})
"""With these, what is put into a schema may be read by other rules or not at all, or may change
what the rest of it means."""


_REFERENCES = ("$ref", "$dynamicRef")
"""With these, one part of a schema may be used by others, and is not to be changed."""
_ANNOTATIONS = frozenset({"default", "description", "examples", "format", "title"})
"""Keywords that no value is judged by, as formats are not looked at."""


def passthrough_check(
    columns: Iterable[tuple[str, Callable[[Any], Any]]], schema: Mapping[str, Any]
) -> Callable[[Any], bool]:
    """Return a check whether a record fits and the converters would leave its values alone.

    It takes a record of decoded JSON, and returns False where it is not certain. The
    one exception: a whole number written with a fraction, 3.0, passes for an integer.

    Args:
        columns: The record's columns and the converters of their values.
        schema: The JSON Schema it has to fit.

    Raises:
        SchemaError: The schema is not valid.
    """
    wanted = {column: _schema(convert) for column, convert in columns}
    validators = []
    if isinstance(schema.get("$defs", {}), dict) and _OWN_RULES.isdisjoint(schema):
        # One validator takes two thirds of the time of two. A schema of an older draft cannot be
        # combined with ours: its rules would apply to both.
        with suppress(SchemaError):
            validators = [validator(jsonschema_rs.validator_for, _both(schema, wanted))]
    if not validators:
        ours = {"$defs": _JSON, "properties": wanted}
        validators = [compiled(schema), jsonschema_rs.validator_for(ours)]
    first, *more = [one.is_valid for one in validators]
    return (lambda record: first(record) and more[0](record)) if more else first


def _both(schema: Mapping[str, Any], wanted: Mapping[str, Schema]) -> Schema:
    """Return a schema of records that fit a schema and have the wanted values.

    Args:
        schema: The schema.
        wanted: Schemas of the values of columns.
    """
    columns = schema.get("properties", {})
    written = str(schema)
    announced = {} if any(keyword in written for keyword in _REFERENCES) else columns
    properties = {
        column: one if _implies(one, announced[column]) else {"allOf": [announced[column], one]}
        for column, one in wanted.items()
        if column in announced
    }
    others = {column: one for column, one in wanted.items() if column not in announced}
    both = {
        **schema,
        "$defs": {**schema.get("$defs", {}), **_JSON},
        "properties": {**columns, **properties},
    }
    if others:
        both["allOf"] = [*schema.get("allOf", ()), {"properties": others}]
    return both


def _implies(wanted: Schema, announced: Any) -> bool:
    """Return whether what one schema allows is allowed by another, which asks for types alone."""
    if not isinstance(announced, dict) or not announced.keys() <= {"type", *_ANNOTATIONS}:
        return False
    types = ["string", "null"] if "enum" in wanted else wanted.get("type")
    allowed = announced.get("type", types)
    if not isinstance(types, list) or not isinstance(allowed, list):
        return False
    return all(one in allowed for one in types)


def _schema(convert: Callable[[Any], Any]) -> Schema:
    if isinstance(convert, partial):
        (allowed,) = convert.args
        if convert.func is values.choice:
            return {"enum": [*allowed, None]}
        return {"type": ["integer", "null"], "minimum": allowed[0], "maximum": allowed[-1]}
    return _SCHEMAS[convert]
