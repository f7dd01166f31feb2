"""Inputs of real sources, through the command: each with the map it came with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planhat_sandbox.options import UnknownId
from planhat_sandbox.tenant.tenant import Company

CASES = Path(__file__).parents[2] / "fixtures" / "cases"


@pytest.fixture
def load(planhat, target):
    """Feeds a case to the command, on a tenant with the companies that the cases name."""
    for number in range(3):
        company = Company(f"61000000000000000000000{number}", "Acme", f"c-{number}")
        planhat.add_company(company)

    def run(name, **settings):
        config = json.loads((CASES / f"{name}.config.json").read_text())
        return target.run((CASES / f"{name}.singer").read_bytes(), **{**config, **settings})

    return run


@pytest.fixture
def fails(load):
    """The one line that a case ends with."""

    def run(name):
        ended = load(name)
        assert ended.code == 1
        assert "Traceback" not in ended.err
        return ended.complaint

    return run


def test_a_deletion_that_holds_its_key_alone_deletes(planhat, load):
    run = load("delete-key-only")
    assert (run.code, run.states[-1]) == (0, {"bookmarks": {"n": 3}})
    assert run.figures == {"public-tickets": {"read": 3, "created": 2, "deleted": 1}}
    assert planhat.by_source_id().keys() == {"tick-1"}


def test_a_deletion_that_holds_its_key_alone_is_skipped_where_nothing_is_deleted(planhat, load):
    run = load("delete-key-only", hard_delete=False)
    assert (run.code, run.states[-1]) == (0, {"bookmarks": {"n": 3}})
    assert run.figures == {"public-tickets": {"read": 3, "created": 2, "skipped": 1}}
    assert planhat.by_source_id().keys() == {"tick-1", "tick-2"}


def test_a_record_may_lack_columns_that_its_schema_announces(planhat, load):
    run = load("sparse")
    assert (run.code, run.figures) == (0, {"tickets": {"read": 2, "created": 2}})
    assert planhat.by_source_id()["tickets:1"]["action"] == "h"


def test_a_map_may_make_lists_numbers_booleans_and_dates(planhat, load):
    run = load("computed-nontext")
    assert (run.code, run.figures) == (0, {"surveys": {"read": 1, "created": 1}})
    (task,) = planhat.rows("tasks")
    assert task["activityTags"] == ["a"]
    assert task["isArchived"] is True
    assert task["custom"] == {"Seats": 12}
    assert task["startTime"] == "2026-01-01T00:00:00.000Z"


def test_no_record_is_rejected_for_a_column_that_is_not_sent(load):
    run = load("unsent-misfit")
    assert (run.code, run.figures) == (0, {"acc": {"read": 4, "created": 4}})


def test_long_integers_keep_their_digits(planhat, load):
    run = load("bigint-str")
    assert (run.code, run.figures) == (0, {"acts": {"read": 2, "created": 2}})
    assert planhat.by_source_id().keys() == {"a-123456789012345678901", "a-123456789012345678902"}


@pytest.mark.parametrize(("hard_delete", "outcome"), [(True, "deleted"), (False, "skipped")])
def test_a_row_that_a_map_marks_as_deleted_is_not_written(planhat, load, hard_delete, outcome):
    run = load("softdelete-mapped", hard_delete=hard_delete)
    assert (run.code, run.figures) == (0, {"cases": {"read": 2, "created": 1, outcome: 1}})
    assert planhat.by_source_id().keys() == {"cases:1"}


def test_an_expression_that_fails_is_named(load):
    run = load("message-which-expression")
    assert (run.code, run.figures) == (3, {"issues": {"read": 1, "rejected": 1}})
    assert "`status`: its expression `fields['status']['name']`" in run.err
    assert "`fields['status']` is null here: write" in run.err


def test_a_map_that_drops_the_key_says_how_to_keep_it(fails):
    said = fails("message-else-null")
    assert "stream_maps.call_to_action drops the key column Gsid" in said
    assert "__else__" in said
    assert "add __key_properties__" in said


def test_a_value_that_is_not_text_in_a_map_is_named_alone(fails):
    said = fails("message-yaml-bool")
    assert said.endswith(
        'stream_maps.surveys.isArchived must be an expression in quotes, such as "False"'
    )


def test_a_schema_that_is_not_one_is_named_with_its_line_and_value(fails):
    said = fails("message-schema-type")
    assert said.endswith(
        "input line 2: SCHEMA of stream my_db-notes is not a JSON Schema: "
        'type cannot be "date-time"'
    )


def merging(load, **definition):
    """Run the case of three records with one sourceId, with more in their map."""
    maps = json.loads((CASES / "source-id-merges.config.json").read_text())["stream_maps"]
    maps["call_to_action"] |= definition
    return load("source-id-merges", stream_maps=maps, rejects_path="r", max_rejects=3)


def test_records_that_would_become_one_are_rejected_with_both_keys_and_the_way_out(
    planhat, target, load
):
    run = merging(load)
    assert (run.code, run.states[-1]) == (0, {"bookmarks": {"n": 3}})
    assert run.figures == {"call_to_action": {"read": 3, "rejected": 3}}
    assert planhat.rows("tasks") == []
    kept = [json.loads(line) for line in (target.folder / "r").read_bytes().splitlines()]
    reasons = [line["reason"] for line in kept if line["type"] == "RECORD"]
    for number, reason in enumerate(reasons):
        assert "1Q00" in reason
        assert f"Gsid '1S01{number}'" in reason
        assert reason.count("Gsid '1S01") == 2
        assert "`__key_properties__: [sourceId]`" in reason


def test_in_batches_of_their_own_the_first_is_written_and_the_others_are_rejected(planhat, load):
    config = {"batch_size_rows": 1, "rejects_path": "r", "max_rejects": 3}
    run = load("source-id-merges", **config)
    assert run.figures == {"call_to_action": {"read": 3, "created": 1, "rejected": 2}}
    assert planhat.by_source_id()["1Q00"]["action"] == "Risk 0"


def test_declared_key_properties_say_that_records_with_one_key_are_one(planhat, load):
    run = merging(load, __key_properties__=["SourceId"])
    assert run.figures == {"call_to_action": {"read": 3, "created": 1, "merged": 2}}
    assert planhat.by_source_id()["1Q00"]["action"] == "Risk 2"
    distinct = {"__key_properties__": ["Gsid"], "sourceId": "Gsid", "SourceId": "__NULL__"}
    assert merging(load, **distinct).figures["call_to_action"]["created"] == 3


def test_records_of_two_streams_do_not_become_one_unless_both_say_so(planhat, target, singer):
    streams = ["one-tasks", "two-tasks"]
    messages = []
    for stream in streams:
        messages += [
            singer.schema | {"stream": stream},
            singer.task(1) | {"stream": stream},
            singer.state(stream),
        ]
    named = {"sourceId": "'task-' + str(id)"}
    maps = dict.fromkeys(streams, named)
    run = target.run(messages, stream_maps=maps, rejects_path="r", max_rejects=2)
    assert {name: figures["rejected"] for name, figures in run.figures.items()} == dict.fromkeys(
        streams, 1
    )
    maps = dict.fromkeys(streams, named | {"__key_properties__": ["sourceId"]})
    run = target.run(messages, stream_maps=maps)
    assert run.code == 0
    assert planhat.by_source_id().keys() == {"task-1"}


def test_two_records_that_a_map_gives_one_key_do_not_become_one(planhat, target, singer):
    messages = [singer.schema, singer.task(11), singer.task(12)]
    maps = {"tasks": {"id": "id // 10"}}
    run = target.run(messages, stream_maps=maps, rejects_path="r", max_rejects=2)
    assert run.figures == {"tasks": {"read": 2, "rejected": 2}}
    assert planhat.rows("tasks") == []


either = pytest.mark.parametrize("planhat", list(UnknownId), indirect=True)


@either
def test_records_with_ids_of_another_system_are_written_once_and_deleted(planhat, load):
    assert load("foreign-id-twice").figures == {"crm-tasks": {"read": 2, "created": 2}}
    assert load("foreign-id-twice").figures == {"crm-tasks": {"read": 2, "unchanged": 2}}
    keys = ["mongo-64b0c0ffee00000000000001", "mongo-64b0c0ffee00000000000002"]
    assert sorted(planhat.by_source_id()) == keys
    assert load("foreign-id-delete").figures == {"crm-tasks": {"read": 1, "deleted": 1}}
    assert list(planhat.by_source_id()) == keys[:1]
    # Again, as after a crash: gone is gone.
    assert load("foreign-id-delete").figures == {"crm-tasks": {"read": 1, "deleted": 1}}


@either
def test_known_and_unknown_ids_in_one_batch_both_end_right(planhat, target, singer):
    target.run([singer.schema, singer.task(1), singer.task(2, isArchived=True)])
    rows = planhat.by_source_id()
    known = [rows["tasks:1"]["_id"], rows["tasks:2"]["_id"]]
    maps = {"tasks": {"_id": "_id", "sourceId": "'new-' + str(id)"}}
    schema = singer.schema | {"schema": {"properties": {"_id": {"type": "string"}}}}
    schema["schema"]["properties"] |= singer.schema["schema"]["properties"]
    # So many that the list of all is read.
    ids = [*known, *(f"64b0c0ffee{number:014x}" for number in range(120))]
    messages = [schema, *(singer.task(n, _id=one) for n, one in enumerate(ids))]
    gets = len(planhat.calls("GET"))
    for _ in range(2):
        assert target.run(messages, stream_maps=maps).code == 0
        assert sorted(planhat.by_source_id()) == sorted(f"new-{n}" for n in range(122))
    assert [planhat.by_source_id()[f"new-{n}"]["_id"] for n in (0, 1)] == known
    assert len(planhat.calls("GET")) - gets < 40


BODIES = {
    "nps": {"email": "ada@acme.test", "score": 9},
    "conversations": {"companyId": "extid-c-1", "subject": "s", "type": "note"},
    "campaigns": {"companyId": "extid-c-1", "name": "n"},
}


@either
@pytest.mark.parametrize("name", BODIES)
def test_no_resource_gets_a_record_twice_for_an_id_that_it_does_not_know(
    planhat, target, load, name
):
    load("sparse")
    records = [
        {"_id": f"64b0c0ffee0000000000000{n}", "sourceId": f"s-{n}", **BODIES[name]}
        for n in range(3)
    ]
    properties = {
        key: {"type": ["integer" if key == "score" else "string", "null"]} for key in records[0]
    }
    schema = {"type": "object", "properties": properties}
    head = {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": ["_id"]}
    messages = [head, *({"type": "RECORD", "stream": name, "record": one} for one in records)]
    for _ in range(2):
        assert target.run(messages).code == 0
        assert sorted(row["sourceId"] for row in planhat.rows(name)) == ["s-0", "s-1", "s-2"]


@pytest.mark.parametrize("takes_tickets", [True, False])
def test_tickets_are_loaded_where_the_tenant_takes_them(planhat, load, target, takes_tickets):
    load("sparse")  # Makes the companies.
    planhat.behave(takes_tickets=takes_tickets)
    record = {"id": "1", "sourceId": "t-1", "companyExternalId": "c-1", "type": "ticket"}
    record |= {"subject": "Help", "email": "ann@north.example", "updatedAt": None}
    schema = {"properties": {name: {"type": ["string", "null"]} for name in record}}
    announced = {"type": "SCHEMA", "stream": "conversations", "schema": schema}
    messages = [
        {**announced, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "conversations", "record": record},
    ]
    run = target.run(messages)
    assert (run.code, planhat.rows("conversations")) == (3, [])
    assert "set reserved_types to send" in run.err
    assert run.err.count("updatedAt: not sent, as Planhat fills in these properties itself") == 1
    run = target.run(messages, reserved_types="send")
    if not takes_tickets:
        assert (run.code, planhat.rows("conversations")) == (3, [])
        return
    assert (run.code, run.figures) == (0, {"conversations": {"read": 1, "created": 1}})
    (row,) = planhat.rows("conversations")
    assert (row["type"], row["companyId"]) == ("ticket", "610000000000000000000001")
