"""Which columns a tenant's custom fields become."""

from __future__ import annotations

import pytest

from planhat_api.custom_fields import defined, sampled
from planhat_api.resources import CAMPAIGNS, NPS, TASKS


def definition(kind, name="Field", parent="task"):
    return {"name": name, "type": kind, "parent": parent}


def types(schemas):
    return {name: schema["type"] for name, schema in schemas.items()}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("number", "number"),
        ("rating", "number"),
        ("checkbox", "boolean"),
        ("multipicklist", "array"),
        ("team members", "array"),
        ("endusers", "array"),
        ("Rich  Text", "string"),
        ("list", "string"),
        ("team member", "string"),
        ("day", "string"),
        ("url", "string"),
        ("something new", "string"),
        (None, "string"),
    ],
)
def test_a_definition_becomes_a_nullable_column_of_its_type(kind, expected):
    assert types(defined([definition(kind)], TASKS)) == {"Field": [expected, "null"]}


def test_a_date_is_announced_as_one():
    [schema] = defined([definition("date")], TASKS).values()
    assert schema == {"type": ["string", "null"], "format": "date-time"}


@pytest.mark.parametrize("parent", ["campaign", "campaigns", "Campaign"])
def test_fields_of_other_models_are_left_out(parent):
    listed = [definition("number", "Mine", parent), definition("number", "Other", "company")]
    assert list(defined(listed, CAMPAIGNS)) == ["Mine"]
    assert defined(listed, NPS) == {}


def test_two_definitions_that_contradict_each_other_make_a_text_column():
    twice = [definition("number"), definition("checkbox")]
    assert types(defined(twice, TASKS)) == {"Field": ["string", "null"]}


def test_what_is_not_a_definition_is_passed_over():
    broken = [None, "text", {}, {"name": 5, "parent": "task"}, {"name": "", "parent": "task"}]
    assert defined(broken, TASKS) == {}


def test_a_sample_gives_each_field_the_type_of_most_of_its_values():
    rows = [
        {"custom": {"a": 1, "b": "2026-01-01T00:00:00.000Z", "c": None, "d": True}},
        {"custom": {"a": "undefined", "e": [1], "f": {"x": 1}}},
        {"custom": {"a": 2.5}},
        {"custom": None},
        {"custom": "text"},
        {},
    ]
    assert types(sampled(rows)) == {
        "a": ["number", "null"],
        "b": ["string", "null"],
        "d": ["boolean", "null"],
        "e": ["array", "null"],
        "f": ["object", "null"],
    }
    assert "format" not in sampled(rows)["b"]


def test_the_schemas_of_two_calls_share_nothing_that_could_be_changed():
    first, second = (defined([definition("multipicklist")], TASKS)["Field"] for _ in range(2))
    first["items"]["type"] = "string"
    assert second["items"] == {}
