from __future__ import annotations

import json
import math
import resource
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_api.resources import RESOURCES, TASKS
from target_planhat.config import RecordSettings
from target_planhat.record import values
from target_planhat.record.converter import RecordConverter
from target_planhat.record.errors import RejectionError
from target_planhat.record.passthrough import passthrough_check

ID = "6102c9748084189dcbf0df60"
USUAL = {
    "sourceId": "sf-1",
    "companyId": ID,
    "action": "Größe prüfen",
    "description": "",
    "startTime": "2024-02-28T23:59:59.000Z",
    "isArchived": False,
    "checklist": [{"title": "A", "done": True, "parts": [[1, None]]}],
    "custom": {"Score": 1.5, "Plan": None, "Region": {"name": "EU", "codes": []}},
    "custom__Seats": 12,
    "dateDone": None,
    "mainType": "event",
    "repeat": "weekly",
    "companyExternalId": None,
}
DEEP = {"a": [{"a": [{"a": [1]}]}]}
UNCLEAN = {
    "sourceId": ["", " ", 12, True, "\ud800"],
    "companyId": ["", ID.upper(), "extid-1", f" {ID}", f"{ID}\n", 1],
    "action": [12, True, {}, "a\ud800"],
    "startTime": [
        "",
        "2024-02-30T00:00:00.000Z",
        "2023-02-29T00:00:00.000Z",
        "2024-04-31T00:00:00.000Z",
        "0000-01-01T00:00:00.000Z",
        "2024-01-01T24:00:00.000Z",
        "2024-01-01T00:00:60.000Z",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.000Z\n",
        1_700_000_000_000,
    ],
    "isArchived": ["true", 1, ""],
    "checklist": [
        "[]",
        {},
        [2**63],
        [-(2**63) - 1],
        [math.nan],
        ["\ud800"],
        [{"\ud800": 1}],
        [DEEP],
    ],
    "custom": ["{}", [], {"a": math.inf}, {"a": DEEP}, {"\udfff": 1}],
    "custom__Seats": [10**400, math.nan, "\ud800", DEEP, "[1]", "{}"],
    "companyExternalId": ["c-1"],
    "mainType": ["Task", " task", "", "todo"],
    "repeat": ["Daily", "hourly"],
}


def converter(resource=TASKS, schema=None, **options):
    settings = RecordSettings.of(options)
    return RecordConverter(resource, resource.name, ["id"], settings, schema=schema)


def passes_through(record):
    return converter()._layout(record).passes_through(record)


def written(convert, record):
    """What a record becomes as it would go out, in bytes, or why it becomes nothing."""
    try:
        item = convert(record)
    except RejectionError as error:
        return str(error).encode()
    return item and orjson.dumps([item.body, item.keys, item.company, item.generated])


def test_a_usual_record_needs_no_conversion():
    assert passes_through(USUAL)
    assert passes_through({**USUAL, "_sdc_batched_at": 1, "someone's": object})


@pytest.mark.parametrize(
    ("column", "value"), [(name, value) for name, values in UNCLEAN.items() for value in values]
)
def test_what_would_be_converted_or_rejected_is_seen(column, value):
    record = {**USUAL, column: value}
    assert converter().passthrough(record) is None


def test_a_whole_number_with_a_fraction_is_sent_as_a_whole_number():
    nps = RESOURCES["nps"]
    record = {"sourceId": "1", "score": 9.0}
    made = converter(nps)
    assert written(made.passthrough, record) == written(made.convert, record)
    assert converter(nps).passthrough({**record, "score": 11}) is None


DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
A_NUMBER = {"type": "object", "properties": {"custom__Seats": {"type": "number", "maximum": 12}}}


@pytest.mark.parametrize(
    "schema",
    [
        A_NUMBER,
        {"allOf": [A_NUMBER]},
        {**DRAFT_7, **A_NUMBER},
        {**DRAFT_7, "$ref": "#/definitions/a", "definitions": {"a": A_NUMBER}},
        {"$ref": "#/$defs/a", "$defs": {"a": A_NUMBER}},
        {"properties": {"custom__Seats": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"maximum": 12}}},
        {"additionalProperties": {"not": {"const": 13}}},
        {"patternProperties": {"Seats$": {"maximum": 12}}},
        {"properties": {"custom__Seats": {"type": "number", "enum": [12]}}},
        {"properties": {"custom__Seats": {"maximum": 13, "exclusiveMaximum": True}}},
    ],
)
def test_a_record_must_fit_its_schema_besides(schema):
    quick = written(converter(schema=schema).passthrough, USUAL)
    assert quick == written(converter().convert, USUAL)
    assert converter(schema=schema).passthrough({**USUAL, "custom__Seats": 13}) is None
    assert converter(schema=schema).passthrough({**USUAL, "action": 12}) is None


@pytest.mark.parametrize(
    ("announced", "value"),
    [
        ({"type": "string"}, None),
        ({"type": ["null"]}, "Call"),
        ({"type": ["string", "null"], "minLength": 5}, "Call"),
        ({"format": "date", "enum": ["Mail"]}, "Call"),
        ({"type": "null"}, "Call"),
        (False, "Call"),
    ],
)
def test_what_a_column_is_announced_as_counts_besides_what_planhat_takes(announced, value):
    record = {**USUAL, "action": value}
    assert converter(schema={"properties": {"action": announced}}).passthrough(record) is None
    assert converter().passthrough(record) is not None


@pytest.mark.parametrize("kind", ["string", ["string", "null", "number"], ["null", "string"]])
def test_a_column_of_which_only_the_type_is_announced_is_held_to_what_planhat_takes(kind):
    schema = {"properties": {"startTime": {"type": kind, "format": "date-time", "title": "Start"}}}
    assert converter(schema=schema).passthrough(USUAL) is not None
    assert converter(schema=schema).passthrough({**USUAL, "startTime": "2024-02-30"}) is None


def test_a_column_that_another_rule_refers_to_keeps_its_meaning_there():
    any_text = {"type": ["string", "null"]}
    unlike = {"not": {"$ref": "#/properties/companyId"}}
    schema = {
        "properties": {"companyId": any_text, "custom__Seats": unlike},
    }
    assert converter(schema=schema).passthrough({**USUAL, "custom__Seats": "text"}) is None
    assert converter(schema=schema).passthrough(USUAL) is not None


def test_a_schema_that_allows_no_other_columns_keeps_its_meaning():
    schema = {**A_NUMBER, "unevaluatedProperties": False}
    assert converter(schema=schema).passthrough(USUAL) is None
    assert (
        converter(schema=schema)
        ._layout({"custom__Seats": 12})
        .passes_through({"custom__Seats": 12})
    )


def test_a_record_that_needs_no_conversion_is_left_as_it_was():
    before = json.dumps(USUAL)
    body = converter().passthrough(USUAL).body
    assert body["custom"] == {"Score": 1.5, "Region": {"name": "EU", "codes": []}, "Seats": 12}
    assert json.dumps(USUAL) == before


def test_a_null_in_a_column_of_its_own_leaves_the_value_in_custom():
    custom = {"A": "kept", "B": "old"}
    record = {"sourceId": "1", "custom": custom, "custom__A": None, "custom__B": "new"}
    assert converter().passthrough(record).body["custom"] == {"A": "kept", "B": "new"}


texts = st.sampled_from(
    ["", " ", "a", "\x1c", "é", ID, "2024-02-29T00:00:00.000Z", "note", "\ud800", "[1]", "custom"]
)
numbers = st.sampled_from([0, 7, 3.0, 1.5, 2**53 + 1, 2**63, 1e300, math.nan])
scalars = st.none() | st.booleans() | texts | numbers
plain = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a"])
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.untraced
@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.sampled_from(list(RESOURCES.values())),
    st.sampled_from(["drop", "custom"]),
    st.sampled_from(["skip", "send"]),
)
def test_an_item_is_the_same_whether_conversions_are_looked_for_or_not(
    data, resource, unknown, nulls
):
    columns = st.sampled_from(
        [*resource.properties, *resource.list_names, "custom__a", "id", "B", "companyExternalId"]
    )
    record = data.draw(st.dictionaries(columns, json_values, max_size=8))
    likely = {"sourceId": "1", resource.company_property: ID}
    # The same member of `custom` from both sides.
    both = {"custom": {"a": data.draw(plain)}, "custom__a": data.draw(plain)}
    for row in (record, {**record, **likely}, {**record, **likely, **both}, {**likely, **both}):
        made = converter(resource, unknown_properties=unknown, null_values=nulls)
        quick = written(made.passthrough, row)
        assert quick is None or quick == written(made.convert, row)


def resident():
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_the_checks_of_many_schemas_with_many_columns_take_little_memory():
    columns = [(f"custom__{number}", values.flattened_value) for number in range(200)]
    before = resident()
    kept = [passthrough_check(columns, {}) for _ in range(20)]
    assert resident() - before < 100_000_000
    assert kept[0]({"custom__1": "text"})
    assert not kept[0]({"custom__1": "[1]"})


@pytest.mark.parametrize("definitions", [None, 5, {"a": {"type": "string"}}])
def test_a_schema_keeps_its_own_definitions(definitions):
    schema = {"$defs": definitions, "properties": {"custom__a": {"type": "string"}}}
    if isinstance(definitions, dict):
        schema["properties"]["custom__a"] = {"$ref": "#/$defs/a"}
    check = passthrough_check([("custom__a", values.flattened_value)], schema)
    assert check({"custom__a": "text"})
    assert not check({"custom__a": 5})
