"""What a catalog chooses: keys, methods and properties."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from planhat_api.dates import to_text as text_of
from planhat_api.errors import SettingsError
from tap_planhat.sdk import StreamError

UTC = timezone.utc
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
HEX = 24


# Keys and methods.


@pytest.mark.parametrize("resource", ["campaigns", "conversations"])
def test_edits_come_by_updated_at_where_that_is_chosen(planhat, run, resource):
    for number in range(40):
        planhat.add(resource, number, at=number)
    first = run(resource, key="updatedAt")
    planhat.rows[resource][3]["updatedAt"] = text_of(BEGINNING + timedelta(days=9))
    second = run(resource, first.state, key="updatedAt")
    assert planhat.rows[resource][3]["_id"] in second.ids()
    assert len(second.ids()) <= 12
    assert second.bookmark(resource)["replication_key"] == "updatedAt"


def test_a_change_of_key_reads_everything_once_and_then_goes_on_by_the_new_one(planhat, run):
    for number in range(40):
        planhat.add("campaigns", number, at=number)
    by_id = run("campaigns")
    by_time = run("campaigns", by_id.state, key="updatedAt")
    assert len(by_time.ids()) == 40
    assert len(run("campaigns", by_time.state, key="updatedAt").ids()) == 11


@pytest.mark.parametrize(
    ("stream", "key", "method", "words"),
    [
        ("nps", "_id", None, "nps cannot be read by _id: choose replication key dateAnswered, or"),
        ("tasks", "status", None, "by status: choose replication key updatedAt or _id, or"),
        ("tasks", None, "LOG_BASED", "tasks cannot be read as LOG_BASED: choose"),
    ],
)
def test_a_key_or_method_the_stream_does_not_have_is_one_clear_error(
    run, stream, key, method, words
):
    def change(entry):
        entry["replication_key"] = key

    with pytest.raises(StreamError) as caught:
        run(stream, method=method, change=change)
    assert isinstance(caught.value.__cause__, SettingsError)
    assert words in str(caught.value)
    assert "in the catalog" in str(caught.value)


def test_incremental_without_a_key_in_the_catalog_means_the_default_one(planhat, run):
    planhat.add("campaigns", 1)

    def change(entry):
        entry["replication_key"] = None
        for each in entry["metadata"]:
            each["metadata"].pop("replication-key", None)

    out = run("campaigns", change=change)
    assert out.bookmark("campaigns")["replication_key"] == "_id"
    (schema,) = [message for message in out.messages if message["type"] == "SCHEMA"]
    assert schema["bookmark_properties"] == ["_id"]


def test_a_catalog_names_every_valid_key_and_the_default(tap_of):
    catalog = json.loads(tap_of().catalog_json_text)
    found = {}
    for entry in catalog["streams"]:
        root = next(each for each in entry["metadata"] if not each["breadcrumb"])["metadata"]
        if entry["tap_stream_id"] == "deletions":
            assert entry["key_properties"] == ["stream", "_id"]
            assert root["selected"] is False
            continue
        found[entry["tap_stream_id"]] = root["valid-replication-keys"]
        assert entry["replication_key"] == root["valid-replication-keys"][0]
        assert entry["key_properties"] == ["_id"]
    assert found == {
        "campaigns": ["_id", "updatedAt"],
        "conversations": ["_id", "updatedAt"],
        "nps": ["dateAnswered"],
        "tasks": ["updatedAt", "_id"],
    }


# Selection.


def test_a_deselected_key_is_fetched_but_not_emitted(planhat, run):
    for number in range(40):
        planhat.add("campaigns", number, at=number, name="n", campaignPurpose="p")

    def change(entry):
        for each in entry["metadata"]:
            if each["breadcrumb"][-1:] in (["updatedAt"], ["name"], ["other"]):
                each["metadata"]["selected"] = False

    first = run("campaigns", key="updatedAt", change=change)
    assert all(set(record) == {"_id", "campaignPurpose"} for record in first.records())
    for query in planhat.lists("campaigns"):
        names = query["select"].split(",")
        assert {"_id", "updatedAt"} <= set(names)
        assert "name" not in names
    second = run("campaigns", first.state, key="updatedAt", change=change)
    assert len(second.ids()) == 11


def test_a_catalog_with_fewer_properties_brings_those(planhat, run):
    planhat.add("tasks", 1, at=1, action="call", status="x")

    def change(entry):
        properties = entry["schema"]["properties"]
        entry["schema"]["properties"] = {
            name: properties[name] for name in ("_id", "action", "updatedAt")
        }

    out = run("tasks", change=change)
    assert [set(record) for record in out.records()] == [{"_id", "action", "updatedAt"}]
    assert "status" not in planhat.lists("tasks")[0]["select"]


def test_a_column_that_lists_hide_comes_with_every_row_where_the_newest_hold_it(planhat, run):
    old = planhat.add("campaigns", 1, campaignPurpose="precious")
    for number in range(2, 40):
        planhat.add("campaigns", number, campaignPurpose="p" if number == 39 else None)
    show = planhat.list_rows

    def hiding(resource, query, **options):
        rows = show(resource, query, **options)
        if "select" not in query:
            for row in rows:
                row.pop("campaignPurpose", None)
        return rows

    planhat.list_rows = hiding
    records = {record["_id"]: record for record in run("campaigns").records()}
    assert records[old["_id"]]["campaignPurpose"] == "precious"


def test_how_to_ask_is_learned_from_the_first_list_that_has_rows(planhat, run):
    planhat.add("tasks", 1, at=1, isArchived=True)
    run("tasks")
    samples = [query for query in planhat.lists("tasks") if query["limit"] == 20]
    assert [query["isArchived"] for query in samples] == ["false"] * 4 + ["true"] * 4
