"""What stream maps make of records, through the Singer SDK's own maps."""

from __future__ import annotations

import json
import logging

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.mapper import PluginMapper

from planhat_api.resources import TASKS
from planhat_api.stream_maps import definitions
from target_planhat.config import SETTINGS
from target_planhat.errors import InputError
from target_planhat.item import Deletion, Item
from target_planhat.outcome import Outcome, OutcomeKind
from target_planhat.streams import Streams

COMPANY = "extid-c-1"
DEFAULTS = {name: item.get("default") for name, item in SETTINGS["properties"].items()}
KINDS = {"id": "integer", "number": "integer", "tags": "array", "meta": "object"}
COLUMNS = ("id", "title", "account", "number", "tags", "meta", "_sdc_deleted_at")


def take(definition, record, columns=COLUMNS, keys=("id",), **more):
    """Return what a record of the stream `acts` becomes under a map."""
    maps = {"acts": {"__alias__": "tasks", "companyId": f"'{COMPANY}'", **definition}}
    config = {**DEFAULTS, "stream_maps": maps, **more}
    streams = Streams(PluginMapper(config, logging.getLogger("maps")), config)
    types = {name: {"type": ["null", KINDS.get(name, "string")]} for name in columns}
    message = {"stream": "acts", "schema": {"properties": types}, "key_properties": list(keys)}
    streams.announce(message, b"schema")
    line = json.dumps({"type": "RECORD", "stream": "acts", "record": record}).encode()
    (stream,) = streams.current[message["stream"]]
    return stream.prepare(record, line)


@pytest.fixture
def prepared():
    """What a record of the stream `acts` becomes under a map."""
    return take


def test_a_column_that_is_announced_and_missing_is_null_to_a_map(prepared):
    made = prepared({"action": "title", "description": "'no ' + str(account)"}, {"id": 1})
    assert made.body == {
        "companyId": COMPANY,
        "description": "no None",
        "sourceId": "acts:1",
    }


def test_a_column_that_is_missing_is_not_sent_as_null(prepared):
    columns = ("id", "status", "snippet")
    made = prepared({}, {"id": 1, "status": None}, columns, null_values="send")
    assert made.body == {"companyId": COMPANY, "status": None, "sourceId": "acts:1"}


def test_a_record_without_the_column_that_its_key_is_made_of_is_rejected(prepared):
    made = prepared({"sourceId": "'a-' + str(id)"}, {"title": "x"}, keys=("id",))
    assert made.reason == "It lacks its stream's key property id."
    only = {"__else__": None, "__key_properties__": ["sourceId"], "sourceId": "'a-' + str(id)"}
    assert prepared(only, {"title": "x"}).reason == made.reason
    assert prepared({**only, "sourceId": "title"}, {"title": "x"}).keys == {"sourceId": "x"}


@pytest.mark.parametrize(
    ("expression", "name", "value"),
    [
        ("tags", "activityTags", ["a"]),
        ("record.get('tags')", "activityTags", ["a"]),
        ("[title, 'b']", "activityTags", ["t", "b"]),
        ("{'a': number}", "custom", {"a": 7}),
        ("number > 3", "isArchived", True),
        ("number * 1.0", "repeatDays", 7),
        ("number", "action", "7"),
        ("None", "action", None),
        ("datetime.datetime(2026, 1, 2)", "startTime", "2026-01-02T00:00:00.000Z"),
        ("datetime.date(2026, 1, 2)", "startTime", "2026-01-02T00:00:00.000Z"),
        ("datetime.datetime(2026, 1, 2)", "custom__Since", "2026-01-02T00:00:00.000Z"),
        ("number", "custom__Seats", 7),
        ("meta", "custom__Meta", {"n": [1]}),
    ],
)
@pytest.mark.parametrize("drops_others", [True, False])
def test_what_a_map_makes_is_judged_by_the_propertys_rules_alone(
    prepared, expression, name, value, drops_others
):
    record = {"id": 1, "title": "t", "number": 7, "tags": ["a"], "meta": {"n": [1]}}
    columns = (*record, "isArchived", "action")
    rest = {"__else__": None, "id": "id"} if drops_others else {}
    body = prepared({name: expression, **rest}, record, columns).body
    found = body.get("custom", {}).get(name[8:]) if name[:8] == "custom__" else body.get(name)
    assert found == value


def test_what_a_map_makes_is_judged_by_the_rules_of_its_property(prepared):
    made = prepared({"isArchived": "title"}, {"id": 1, "title": "perhaps"})
    assert made.reason == "`isArchived` must be true or false, but is 'perhaps'."


def test_a_column_that_is_sent_as_it_came_is_held_to_the_schema(prepared):
    columns = ("id", "action", "title")
    made = prepared({"snippet": "title"}, {"id": 1, "action": 5, "title": 5}, columns)
    assert made.reason.startswith("It does not fit its stream's SCHEMA: action: its value is not")
    assert prepared({"action": "title"}, {"id": 1, "title": 5}, columns).body["action"] == "5"


@pytest.mark.parametrize("digits", [123456789012345678901, -(2**63) - 1, 2**64 + 1, 10**40 + 1])
def test_integers_keep_their_digits_up_to_and_through_a_map(prepared, digits):
    made = prepared({"sourceId": "'a-' + str(number)"}, {"id": 1, "number": float(digits)})
    assert made.keys != {"sourceId": f"a-{digits}"}
    made = prepared({"sourceId": "'a-' + str(number)"}, {"id": 1, "number": digits})
    assert made.keys == {"sourceId": f"a-{digits}"}


MAP = {
    "sourceId": "'tick-' + str(id)",
    "companyId": "'extid-' + account",
    "action": "title.upper()",
    "custom__N": "meta['n']",
}
GONE = {"id": 2, "_sdc_deleted_at": "2026-03-01T00:00:00Z"}


def test_a_deletion_needs_no_more_than_its_key(prepared):
    assert prepared(MAP, GONE, hard_delete=True) == Deletion({"sourceId": "tick-2"}, None)
    assert (prepared(MAP, GONE)).kind is OutcomeKind.SKIPPED
    assert prepared({}, GONE, hard_delete=True) == Deletion({"sourceId": "acts:2"}, None)


@pytest.mark.parametrize("drops_others", [True, False])
def test_a_deletion_needs_no_more_than_its_key_where_a_map_drops_the_others(prepared, drops_others):
    rest = {"__else__": None, "__key_properties__": ["sourceId"]} if drops_others else {}
    made = prepared({**MAP, **rest}, GONE, hard_delete=True)
    assert made == Deletion({"sourceId": "tick-2"}, None)


def test_a_deletion_whose_key_is_made_of_what_it_lacks_is_rejected(prepared):
    made = prepared({"sourceId": "str(id) + '-' + str(number)"}, GONE, hard_delete=True)
    assert "`sourceId` is made of a column that it lacks" in made.reason
    made = prepared({"sourceId": "number and str(number)"}, GONE, hard_delete=True)
    assert "stream_maps.acts" in made.reason


def test_a_filter_leaves_out_deletions_only_where_it_sees_what_it_asks_for(prepared):
    wanted = {"__filter__": "number == 7"}
    assert isinstance(prepared(wanted, GONE, hard_delete=True), Deletion)
    assert isinstance(prepared(wanted, {**GONE, "number": 7}, hard_delete=True), Deletion)
    assert (prepared(wanted, {**GONE, "number": 8}, hard_delete=True)).kind is OutcomeKind.SKIPPED
    assert (prepared(wanted, {"id": 1})).kind is OutcomeKind.SKIPPED
    failing = {"__filter__": "meta['n'] == 1"}
    assert isinstance(prepared(failing, GONE, hard_delete=True), Deletion)


@pytest.mark.parametrize("column", ["_sdc_deleted_at", "_SDC_DELETED_AT"])
def test_a_map_may_make_the_mark_of_a_deletion(prepared, column):
    mark = {column: "title", "action": "account.upper()"}
    gone = {"id": 2, "title": "2026-01-02"}
    assert prepared(mark, gone, hard_delete=True) == Deletion({"sourceId": "acts:2"}, None)
    assert (prepared(mark, gone)).kind is OutcomeKind.SKIPPED
    assert isinstance(prepared(mark, {"id": 2, "title": None, "account": "a"}), Item)


@pytest.mark.parametrize("live", [None, False, "", "false", " F ", "No", "0", 0, "NULL"])
def test_a_mark_that_says_no_is_none(prepared, live):
    record = {"id": 2, "meta": live}
    assert isinstance(prepared({"_sdc_deleted_at": "meta"}, record, hard_delete=True), Item)
    record = {"id": 2, "_sdc_deleted_at": live}
    assert isinstance(prepared({}, record, hard_delete=True), Item)


@pytest.mark.parametrize("gone", [True, "true", 1, "2026-01-01", "yes"])
def test_a_mark_need_not_be_a_date(prepared, gone):
    record = {"id": 2, "meta": gone}
    assert isinstance(prepared({"_sdc_deleted_at": "meta"}, record, hard_delete=True), Deletion)


@pytest.mark.parametrize("mark", ["None", "title", None])
def test_a_map_cannot_take_the_taps_mark_away(prepared, mark):
    assert isinstance(prepared({"_sdc_deleted_at": mark}, GONE, hard_delete=True), Deletion)


@pytest.mark.parametrize("column", ["_sdc_batched_at", "_SDC_SEQUENCE"])
def test_a_metadata_column_that_a_map_makes_in_vain_is_told_once(prepared, caplog, column):
    prepared({column: "title", "_sdc_deleted_at": "title"}, {"id": 1})
    (told,) = [line for line in caplog.messages if "has no effect" in line]
    assert told.startswith(f"acts: the map's {column} has no effect")


def test_a_property_that_nobody_can_write_is_told_where_it_is_mapped(prepared, caplog):
    prepared({"updatedAt": "title", "shared": "True"}, {"id": 1})
    assert "acts: updatedAt, shared: not sent, as Planhat fills in these" in caplog.text


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (
            "meta['status']['name']",
            "is null here: write `(meta['status']['name']) if meta['status'] is not None else",
        ),
        ("title.upper()", "`title` is null here: write `(title.upper()) if title is not None else"),
        ("'a' + title", "`title` is null here"),
        ("number > 3", "`number` is null here"),
        ("int(title)", "`title` is null here"),
        ("meta['absent']", "fails with KeyError: \"'absent'\". Use .get() for what an object may"),
        ("headline", "The stream's columns are id, title, account, number, tags, meta."),
    ],
)
def test_a_map_that_fails_names_property_expression_cause_and_remedy(prepared, expression, said):
    made = prepared({"status": expression}, {"id": 1, "meta": {"status": None}})
    assert made.reason.startswith(
        f"`status`: its expression `{expression}` in stream_maps.acts fails with "
    )
    assert said in made.reason


def test_a_filter_that_fails_is_named(prepared):
    made = prepared({"__filter__": "number > 3", "action": "title"}, {"id": 1})
    assert "`__filter__`: its expression `number > 3`" in made.reason


def test_no_long_text_of_a_record_is_in_what_is_said_of_a_map(prepared):
    made = prepared({"status": "int(title)"}, {"id": 1, "title": "a mail of many words " * 50})
    assert len(made.reason) < 200


def test_a_map_leaves_the_record_as_it_is_and_may_filter(prepared):
    record = {"id": 1, "title": "t"}
    assert (prepared({"title": None, "__filter__": "id == 2"}, record)).kind is OutcomeKind.SKIPPED
    assert record == {"id": 1, "title": "t"}


names = st.sampled_from(["a", "b", "a*", "*", "tasks"])
map_entries = st.one_of(
    st.none(),
    st.just("__NULL__"),
    st.fixed_dictionaries(
        {"x": st.just("id")},
        optional={
            "__alias__": st.sampled_from(["a", "b"]),
            "__source__": names,
            "__filter__": st.just("True"),
        },
    ),
)


@given(st.dictionaries(names, map_entries, max_size=4), st.sampled_from(["a", "ab", "tasks"]))
def test_a_streams_entries_are_found_as_the_sdk_finds_them(stream_maps, stream):
    mapper = PluginMapper({"stream_maps": stream_maps}, logging.getLogger("maps"))
    mapper.register_raw_stream_schema(stream, {"properties": {"id": {}}}, ["id"])
    made = mapper.stream_maps[stream]
    found = definitions(stream_maps, stream)
    assert len(found) == len(made)
    for each, (_, definition) in zip(made, found, strict=True):
        assert hasattr(each, "expr_evaluator") == bool(definition)


expressions = st.sampled_from(
    [
        "id",
        "title",
        "title.upper()",
        "meta['n']",
        "str(number)",
        "number > 3",
        "record",
        "_",
        "tags[0]",
        "[x for x in tags]",
        "datetime.datetime(2026, number, 1)",
        "json.dumps(meta)",
        "'a' * number",
        "nowhere + 1",
        "1 / 0",
        "{'a': self}",
        "None",
        "__NULL__",
    ]
)
columns_made = st.sampled_from(
    [*TASKS.keyables, "id", "companyId", "companyExternalId", "action", "tags", "custom__a"]
) | st.sampled_from(["custom", "startTime", "_sdc_deleted_at", "__filter__", "status", "repeat"])
cells = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
cells |= st.lists(cells, max_size=2) | st.dictionaries(st.text(max_size=2), cells, max_size=2)


@pytest.mark.untraced
@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(columns_made, expressions, max_size=4),
    st.dictionaries(st.sampled_from(COLUMNS), cells, max_size=5),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {"flattening_enabled": True, "flattening_max_depth": 2}]),
)
def test_whatever_a_map_makes_of_a_record_has_one_outcome(
    definition, record, drops_others, hard_delete, flattening
):
    if definition.get("__filter__") == "__NULL__":
        definition["__filter__"] = "None"
    if drops_others:
        definition |= {"__else__": None, "__key_properties__": []}
    try:
        made = take(definition, record, hard_delete=hard_delete, **flattening)
    except InputError:
        return
    assert isinstance(made, (Item, Deletion, Outcome))
    if isinstance(made, Item):
        assert orjson.loads(orjson.dumps(made.body)) == made.body
        assert "companyId" in made.body or made.keys
    if isinstance(made, Outcome) and made.kind is OutcomeKind.REJECTED:
        assert made.reason.endswith(".")
