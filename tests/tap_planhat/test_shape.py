"""Rows become records that fit the schema they were announced with."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import jsonschema
import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.sinks.core import JSONSchemaValidator

from planhat_api.dates import instant
from planhat_api.resources import NPS, RESOURCES, TASKS, Kind
from planhat_api.schema import json_schema
from tap_planhat.shape import Shape, ShapeError

LOADABLE = {
    Kind.DATE: lambda value: instant(value) or None,
    Kind.INTEGER: lambda value: int(value) if abs(value) < 2**63 else None,
}
SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(
        [
            "",
            "7",
            "-7",
            "7.0",
            "1e999",
            "nan",
            "1_000",
            "9" * 30,
            "\u0667",
            "true",
            "undefined",
            "2024-01-31",
            "2024-01-31T00:00:00",
            "2024-01-31T00:00:00.000Z",
            "2016-12-31T23:59:60Z",
            1700000000123,
            1e300,
            -1e300,
        ]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner)
    ),
    max_leaves=4,
)


def shape_of(resource, *, without=(), **settings):
    names = [*resource.properties, "other"]
    return Shape(resource, [name for name in names if name not in without], **settings)


@pytest.fixture(params=RESOURCES.values(), ids=RESOURCES)
def resource(request):
    return request.param


@pytest.fixture(scope="module")
def checks():
    """By resource: every validator a reader of the output may use."""
    found = {}
    for name, each in RESOURCES.items():
        schema = json_schema(each)
        strict = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        plain = jsonschema.Draft202012Validator(schema)
        sdk = JSONSchemaValidator(schema, validate_formats=True)
        found[name] = (strict.validate, plain.validate, sdk.validate)
    return found


@pytest.mark.untraced
@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_every_record_fits_its_schema_whatever_the_row_holds(resource, checks, data):
    names = [*resource.properties, *resource.list_names, "unheardOf"]
    row = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=12))
    row["_id"] = "5f0000000000000000000001"
    row[resource.id_in_lists] = "5f0000000000000000000002"

    record = shape_of(resource).record(row)

    for check in checks[resource.name]:
        check(record)
    assert record["_id"] == row[resource.id_in_lists]
    assert orjson.loads(orjson.dumps(record)) == record


@pytest.mark.untraced
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_values_that_fit_stay_when_their_neighbours_are_fixed(checks, data):
    row = data.draw(st.dictionaries(st.sampled_from([*TASKS.properties]), values, max_size=8))
    row |= {"_id": "5f0000000000000000000001", "repeatDays": "7"}
    strict = checks["tasks"][0]

    record = shape_of(TASKS).record(row)

    for name, value in row.items():
        try:
            strict({"_id": "x", name: value})
        except jsonschema_rs.ValidationError:
            continue
        # JSON Schema lets pass what not every loader takes.
        assert record[name] is value or record[name] == LOADABLE[TASKS.properties[name].kind](value)


@pytest.mark.parametrize("name", RESOURCES)
def test_the_pages_own_rows_become_records_without_a_word(name, checks, caplog):
    resource = RESOURCES[name]
    samples = json.loads((SAMPLES / f"{name}.json").read_text())
    answers = [sample["response"] for sample in samples.values()]
    rows = [row for answer in answers for row in (answer if isinstance(answer, list) else [answer])]
    rows = [row for row in rows if row.get(resource.id_in_lists)]
    assert len(rows) > 1
    shape = shape_of(resource)
    for row in rows:
        for check in checks[name]:
            check(shape.record(dict(row)))
    assert not caplog.records


def test_a_row_that_fits_is_handed_on_as_it_is():
    row = {"_id": "a", "action": "call", "custom": {"Days in Phase": 3}, "sortPosition": 7.0}
    assert shape_of(TASKS).record(row) is row


def test_an_nps_list_row_gets_the_property_tables_names():
    row = {
        "_id": "contact",
        "npsId": "answer",
        "nps": 9,
        "npsComment": "good",
        "npsDate": "2024-01-31T00:00:00.000Z",
        "npsSent": "2024-01-30T00:00:00.000Z",
        "email": "a@b.example",
    }
    assert shape_of(NPS).record(row) == {
        "_id": "answer",
        "euId": "contact",
        "score": 9,
        "comment": "good",
        "dateAnswered": "2024-01-31T00:00:00.000Z",
        "email": "a@b.example",
    }


@pytest.mark.parametrize("first", [0, 1])
def test_an_nps_row_that_shows_no_name_of_the_lists_is_not_taken_for_an_answer(first, caplog):
    rows = [{"_id": "contact", "npsId": "answer", "nps": 9}, {"_id": "another", "email": "a@b.c"}]
    shape = shape_of(NPS)
    (record,) = shape.records([rows[first], rows[1 - first]])
    assert (record["_id"], shape.left_out) == ("answer", 1)
    assert shape.records(rows[1:]) == []
    assert shape.left_out == 2
    (entry,) = caplog.records
    assert "a row of /nps has no npsId: ['_id', 'email']; it is left out" in entry.getMessage()


@pytest.mark.parametrize("names", [("npsDate", "dateAnswered"), ("dateAnswered", "npsDate")])
def test_of_two_names_for_one_property_the_filled_one_counts(names):
    when = "2024-01-31T00:00:00.000Z"
    for filled in names:
        row = {"_id": "contact", "npsId": "answer", **dict.fromkeys(names), filled: when}
        assert shape_of(NPS).record(row)["dateAnswered"] == when
    both = dict(zip(names, (when, when.replace("24", "23")), strict=True))
    row = {"_id": "contact", "npsId": "answer", **both}
    assert shape_of(NPS).record(row)["dateAnswered"] == both["npsDate"]


def test_an_nps_row_in_the_property_tables_shape_stays_so():
    row = {"_id": "answer", "euId": "contact", "score": 9}
    assert shape_of(NPS).records([row]) == [row]


@pytest.mark.parametrize("lack", [{}, {"npsId": None}, {"npsId": ""}])
def test_an_nps_list_row_without_the_answers_id_is_an_error_that_shows_no_values(lack):
    with pytest.raises(ShapeError, match=r"/nps has no npsId: \['_id', 'nps'"):
        shape_of(NPS).record({"_id": "contact", "nps": 9, **lack})


@pytest.mark.parametrize("row", [{}, {"_id": None}, {"_id": ""}, {"action": "call"}])
def test_a_row_without_an_id_is_an_error(row):
    with pytest.raises(ShapeError, match="a row of /tasks has no _id"):
        shape_of(TASKS).record(row)


def test_rows_without_an_id_are_left_out_and_counted_and_the_others_become_records(caplog):
    shape = shape_of(TASKS)
    rows = [{"_id": "a"}, {"_id": None}, {"_id": "b"}, {"action": "call"}, {"_id": 7}, {"_id": ""}]
    assert [record["_id"] for record in shape.records(rows)] == ["a", "b", "7"]
    assert shape.left_out == 3
    (entry,) = caplog.records
    assert "a row of /tasks has no _id: ['_id']; it is left out" in entry.getMessage()


def test_deselected_properties_are_left_out_but_never_the_id(caplog):
    shape = Shape(TASKS, ["action"])
    assert shape.record({"_id": "a", "action": "call", "status": "x"}) == {
        "_id": "a",
        "action": "call",
    }
    assert not caplog.records


def test_unknown_properties_are_kept_value_for_value_and_named_once(caplog):
    caplog.set_level(logging.INFO)
    shape = shape_of(TASKS)
    unknown = {"mood": {"now": ["good", None]}, "other": 1.5, "Mood": None}
    for _ in range(3):
        record = shape.record({"_id": "a", "action": "Call", **unknown})
        assert record == {"_id": "a", "action": "Call", "other": unknown}
    (entry,) = caplog.records
    assert entry.getMessage() == (
        "tasks rows carry properties that this version does not know and keeps in the column "
        "`other`: 'Mood', 'mood', 'other'"
    )


@pytest.mark.parametrize(
    "settings", [{"unknown": "drop"}, {"without": ("other",)}], ids=["dropped", "not selected"]
)
def test_unknown_properties_that_are_not_wanted_are_left_out_with_one_warning(caplog, settings):
    shape = shape_of(TASKS, **settings)
    for _ in range(3):
        assert shape.record({"_id": "a", "mood": "good"}) == {"_id": "a"}
    assert [entry.getMessage() for entry in caplog.records] == [
        "tasks rows carry properties that this version does not know and leaves out: 'mood'"
    ]


def test_unknown_properties_end_the_stream_where_they_are_not_allowed():
    shape = shape_of(TASKS, unknown="fail", without=("action",))
    assert shape.record({"_id": "a", "action": "not selected"}) == {"_id": "a"}
    with pytest.raises(ShapeError, match=r"'mood', which this version .* set unknown_properties"):
        shape.record({"_id": "a", "mood": "good"})


FIELDS = {
    "Seats": {"type": ["number", "null"]},
    "Renewal": {"type": ["string", "null"], "format": "date-time"},
    "Hidden": None,
}


@pytest.mark.parametrize(
    ("custom", "typed", "rest"),
    [
        ({"Seats": 3, "Renewal": None}, {"Seats": 3, "Renewal": None}, {}),
        ({"Seats": "many"}, {"Seats": None, "Renewal": None}, {"Seats": "many"}),
        ({"Renewal": "soon", "Seats": 1}, {"Seats": 1, "Renewal": None}, {"Renewal": "soon"}),
        ({"New": [1], "Seats": 1}, {"Seats": 1, "Renewal": None}, {"New": [1]}),
        ({"Hidden": "x"}, {"Seats": None, "Renewal": None}, {}),
        (None, {"Seats": None, "Renewal": None}, {}),
        ({}, {"Seats": None, "Renewal": None}, {}),
    ],
)
def test_a_typed_custom_field_holds_its_type_and_what_does_not_fit_is_kept(custom, typed, rest):
    shape = shape_of(TASKS, custom=FIELDS)
    for unknown in ({}, {"mood": "good"}):
        record = shape.record({"_id": "a", "custom": custom, **unknown})
        assert record["custom"] == typed
        assert (record.get("other") or {}) == unknown | ({"custom": rest} if rest else {})


def test_typed_custom_fields_are_all_there_where_a_row_has_no_custom_at_all():
    shape = shape_of(TASKS, custom=FIELDS)
    assert shape.record({"_id": "a"})["custom"] == {"Seats": None, "Renewal": None}


def test_typed_custom_fields_are_nowhere_where_custom_is_not_selected():
    shape = shape_of(TASKS, custom=FIELDS, without=("custom",))
    assert shape.record({"_id": "a", "custom": {"Seats": "many"}}) == {"_id": "a"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sourceId", 7, "7"),
        ("sourceId", 7.5, "7.5"),
        ("sourceId", True, "true"),
        ("sourceId", {"a": [1]}, '{"a":[1]}'),
        ("ownerId", 12, "12"),
        ("repeatDays", "7", 7),
        ("repeatDays", " -7 ", -7),
        ("repeatDays", "7.0", 7),
        ("repeatDays", 10.0, 10),
        ("repeatDays", -0.0, 0),
        ("__v", 3.0, 3),
        ("repeatDays", -(2**63), -(2**63)),
        ("_id", 12, "12"),
        ("repeatDays", "9007199254740993", 9007199254740993),
        ("sortPosition", "7.5", 7.5),
        ("isArchived", "true", True),
        ("isArchived", "No", False),
        ("isArchived", 1, True),
        ("isArchived", 0, False),
        ("startTime", "2024-01-31", "2024-01-31T00:00:00.000Z"),
        ("startTime", "2024-01-31T10:00:00", "2024-01-31T10:00:00.000Z"),
        ("startTime", 1700000000123, "2023-11-14T22:13:20.123Z"),
        ("startTime", -1, "1969-12-31T23:59:59.999Z"),
        ("startTime", "2024-01-31T10:00:00+02:00", "2024-01-31T08:00:00.000Z"),
        ("startTime", "2024-01-31T10:00:00.123456789012345Z", "2024-01-31T10:00:00.123Z"),
        ("startTime", "2024-01-31t10:00:00z", "2024-01-31T10:00:00.000Z"),
        ("startTime", "2024-02-29T10:00:00.000Z", "2024-02-29T10:00:00.000Z"),
        ("startTime", "2024-12-31T10:00:00Z", "2024-12-31T10:00:00.000Z"),
        ("startTime", "0999-12-31T10:00:00.000Z", "0999-12-31T10:00:00.000Z"),
        ("users", {"id": "u"}, [{"id": "u"}]),
        ("users", "u", ["u"]),
    ],
)
def test_a_value_that_does_not_fit_is_fixed(name, value, expected, caplog):
    record = shape_of(TASKS).record({"_id": "a", name: value})
    assert record == {"_id": "a"} | {name: expected}
    assert type(record[name]) is type(expected)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repeatDays", "seven"),
        ("repeatDays", 7.5),
        ("repeatDays", True),
        ("repeatDays", "1_000"),
        ("repeatDays", "9" * 30),
        ("repeatDays", "9" * 5000),
        ("repeatDays", [7]),
        ("repeatDays", 2.0**64),
        ("repeatDays", 2**63),
        ("repeatDays", 2**64 - 1),
        ("startTime", "0000-01-01T00:00:00.000Z"),
        ("startTime", "2016-12-31T23:59:60.000Z"),
        ("startTime", "2023-02-29T00:00:00.000Z"),
        ("sortPosition", "nan"),
        ("sortPosition", "1e999"),
        ("isArchived", "perhaps"),
        ("isArchived", 2),
        ("startTime", "soon"),
        ("startTime", True),
        ("startTime", 1e300),
        ("startTime", []),
        ("custom", "undefined"),
        ("custom", [1]),
    ],
)
def test_a_value_that_cannot_be_fixed_becomes_null_and_is_told_of_once(name, value, caplog):
    shape = shape_of(TASKS)
    for _ in range(2):
        assert shape.record({"_id": "a", name: value}) == {"_id": "a", name: None}
    (entry,) = caplog.records
    kind = TASKS.properties[name].kind.value
    assert entry.levelno == logging.WARNING
    assert entry.getMessage() == (
        f"tasks.{name} holds {type(value).__name__} where {kind} is documented; "
        "such values become null"
    )


@pytest.mark.parametrize("name", ["repeatDays", "startTime", "users", "isArchived", "custom"])
def test_a_blank_becomes_null_without_a_word(name, caplog):
    assert shape_of(TASKS).record({"_id": "a", name: ""}) == {"_id": "a", name: None}
    assert not caplog.records


def test_typed_custom_fields_hold_only_what_every_loader_takes():
    fields = {
        "Count": {"type": ["integer", "null"]},
        "Due": {"type": ["string", "null"], "format": "date-time"},
    }
    shape = shape_of(TASKS, custom=fields)
    custom = {"Count": 3.0, "Due": "2024-01-31T10:00:00+02:00"}
    record = shape.record({"_id": "a", "custom": custom})
    assert record == {"_id": "a", "custom": {"Count": 3, "Due": "2024-01-31T08:00:00.000Z"}}
    assert type(record["custom"]["Count"]) is int
    odd = {"Count": 2.0**64, "Due": "0000-01-01T00:00:00Z"}
    record = shape.record({"_id": "a", "custom": odd})
    assert record["custom"] == {"Count": None, "Due": None}
    assert record["other"] == {"custom": odd}
