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
_SOUND = {"pattern": ""}
"""Fits any text, but makes the validator read it, so that a broken character is an error."""
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
        return {"type": plain, **_HELD, **_SOUND}
    within = _json(depth - 1)
    return {
        "type": [*plain, "array", "object"],
        **_HELD,
        **_SOUND,
        "items": within,
        "additionalProperties": within,
        "propertyNames": _SOUND,
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
    values.text: {"type": ["string", "null"], **_SOUND},
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
        "propertyNames": _SOUND,
    },
    values.flattened_value: {**_any_json(_DEPTH), "pattern": r"^([^\[{]|$)"},
}
"""A converter -> the JSON values that it returns unchanged, or null; 3.0 counts as 3."""


_OWN_RULES = frozenset({"$schema", "$ref", "$id", "unevaluatedProperties"})
"""With these, what is put into a schema may be read by other rules or not at all, or may change
what the rest of it means."""


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
    rules = {"properties": {column: _schema(convert) for column, convert in columns}}
    validators = []
    own = schema.get("$defs", {})
    if isinstance(own, dict) and _OWN_RULES.isdisjoint(schema):
        # One validator takes two thirds of the time of two. A schema of an older draft cannot be
        # combined with ours: its rules would apply to both.
        both = {**schema, "$defs": own | _JSON, "allOf": [*schema.get("allOf", ()), rules]}
        with suppress(SchemaError):
            validators = [validator(jsonschema_rs.validator_for, both)]
    if not validators:
        validators = [compiled(schema), jsonschema_rs.validator_for({"$defs": _JSON, **rules})]
    looks = [one.is_valid for one in validators]

    def check(record: Any) -> bool:
        try:
            for is_valid in looks:
                if not is_valid(record):
                    return False
        except ValueError:
            return False
        return True

    return check


def _schema(convert: Callable[[Any], Any]) -> Schema:
    if isinstance(convert, partial):
        (allowed,) = convert.args
        if convert.func is values.choice:
            return {"enum": [*allowed, None]}
        return {"type": ["integer", "null"], "minimum": allowed[0], "maximum": allowed[-1]}
    return _SCHEMAS[convert]
