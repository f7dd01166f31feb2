from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from planhat_api.resources import CONVERSATIONS, NPS, RESOURCES, TASKS, Kind
from planhat_api.schema import JSON_TYPES, json_schema, property_schema

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
ID = "6102c9748084189dcbf0df60"
GOOD = {
    Kind.OBJECT_ID: ["6102c9748084189dcbf0df60"],
    Kind.TEXT: ["", "text"],
    Kind.DATE: ["2021-07-29T15:29:34.330Z", "2021-07-29T17:29:34+02:00"],
    Kind.INTEGER: [0, -1, 2**40],
    Kind.NUMBER: [0, 29.285714285714285],
    Kind.BOOLEAN: [True, False],
    Kind.ARRAY: [[], ["a", 1, {"id": "x"}, None]],
    Kind.OBJECT: [{}, {"Days in Phase": 0, "t123": "undefined", "Main Product": ["x"], "n": None}],
}
BAD = {
    Kind.OBJECT_ID: [1, [], {}],
    Kind.TEXT: [1, True, []],
    Kind.DATE: ["yesterday", "", 1627572574330, "2021-07-29"],
    Kind.INTEGER: ["1", 1.5, True],
    Kind.NUMBER: ["1", False],
    Kind.BOOLEAN: ["true", 0],
    Kind.ARRAY: [{}, "a,b"],
    Kind.OBJECT: [[], "{}"],
}

each_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda item: item.name)
each_draft = pytest.mark.parametrize(
    "draft", [jsonschema_rs.Draft7Validator, jsonschema_rs.Draft202012Validator]
)


@each_resource
@pytest.mark.parametrize(
    "dialect",
    ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"],
)
def test_a_schema_is_a_schema_in_both_dialects_in_use(resource, dialect):
    jsonschema_rs.meta.validate({"$schema": dialect, **json_schema(resource)})


@each_resource
@each_draft
def test_the_example_answers_fit(resource, draft):
    validator = draft(json_schema(resource), validate_formats=True)
    sample = orjson.loads((SAMPLES / f"{resource.name}.json").read_bytes())
    rows = [*sample["list"]["response"], sample["get"]["response"]]
    # Lists and single reads have their own names; answers to writes have the table's.
    names = resource.list_names
    rows = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    rows += [sample["create"]["response"], sample["update"]["response"]]
    assert len(rows) >= 5
    for row in rows:
        row.pop(None, None)
        validator.validate(row)
        assert set(row) <= set(json_schema(resource)["properties"])


@each_resource
def test_each_property_is_in_the_schema_in_the_tables_order(resource):
    assert list(json_schema(resource)["properties"]) == [*resource.properties, "other"]


@each_resource
def test_everything_but_the_id_may_be_missing_or_null(resource):
    fits = jsonschema_rs.validator_for(json_schema(resource)).is_valid
    assert fits({"_id": ID})
    assert fits({"_id": ID, **dict.fromkeys(set(resource.properties) - {"_id"})})
    assert not fits({})
    assert not fits({"_id": None})


@each_draft
@pytest.mark.parametrize("kind", Kind)
def test_each_kind_takes_its_values_and_no_others(draft, kind):
    item = next(
        item
        for resource in RESOURCES.values()
        for item in resource.properties.values()
        if item.kind is kind and item.name != "_id"
    )
    fits = draft(property_schema(item), validate_formats=True).is_valid
    assert all(fits(value) for value in (None, *GOOD[kind]))
    assert not [value for value in BAD[kind] if fits(value)]


def test_a_description_says_when_the_property_is_in_no_table():
    note = "Not in Planhat's property table."
    assert property_schema(TASKS.properties["workflowId"])["description"].endswith(note)
    assert note not in property_schema(TASKS.properties["action"])["description"]
    assert property_schema(TASKS.properties["action"])["description"].startswith("What is to be")


def test_a_property_that_the_caller_adds_stays_the_callers():
    schema = json_schema(CONVERSATIONS)
    schema["properties"]["custom"]["mine"] = {"type": "string"}
    schema["properties"]["users"]["items"]["type"] = "string"
    schema["properties"]["mine"] = {}
    assert "mine" not in json_schema(CONVERSATIONS)["properties"]["custom"]
    assert json_schema(CONVERSATIONS)["properties"]["users"]["items"] == {}
    assert "mine" not in json_schema(CONVERSATIONS)["properties"]
    assert "mine" not in json_schema(NPS)["properties"]["custom"]


def test_each_kind_has_a_type():
    assert set(JSON_TYPES) == set(Kind)
