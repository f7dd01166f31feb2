"""What a catalog chooses reaches the SDK, and contradictions are refused."""

from __future__ import annotations

import copy
import json

import pytest

from planhat_api.errors import SettingsError


@pytest.fixture
def chosen(tap_of):
    """Return a stream of a tap whose catalog was changed."""
    discovered = json.loads(tap_of().catalog_json_text)

    def choose(stream="tasks", *, metadata=None, **entry):
        catalog = copy.deepcopy(discovered)
        found = next(each for each in catalog["streams"] if each["tap_stream_id"] == stream)
        root = next(each for each in found["metadata"] if not each["breadcrumb"])["metadata"]
        root |= metadata or {}
        found |= entry
        return tap_of(catalog=catalog).streams[stream]

    return choose


@pytest.mark.parametrize(
    ("metadata", "entry"),
    [
        ({"replication-key": "_id"}, {}),
        ({"replication-key": "_id", "replication-method": "INCREMENTAL"}, {}),
        ({}, {"replication_key": "_id"}),
        ({"replication-key": "_id"}, {"replication_key": "_id"}),
        ({"replication-key": "_id"}, {"replication_key": None}),
    ],
)
def test_a_replication_key_counts_wherever_it_is_chosen(chosen, metadata, entry):
    stream = chosen(metadata=metadata, **entry)
    assert (stream.replication_key, stream.replication_method) == ("_id", "INCREMENTAL")


@pytest.mark.parametrize(
    ("metadata", "entry"),
    [
        ({"replication-method": "FULL_TABLE"}, {}),
        ({"forced-replication-method": "FULL_TABLE"}, {}),
        ({"replication-method": "FULL_TABLE"}, {"replication_method": "FULL_TABLE"}),
        ({"replication-method": "FULL_TABLE", "replication-key": "_id"}, {}),
        ({}, {"replication_method": "FULL_TABLE"}),
    ],
)
def test_a_replication_method_counts_wherever_it_is_chosen(chosen, metadata, entry):
    assert chosen(metadata=metadata, **entry).replication_method == "FULL_TABLE"


def test_the_defaults_of_discovery_choose_nothing(chosen):
    stream = chosen()
    assert (stream.replication_key, stream.replication_method) == ("updatedAt", "INCREMENTAL")


@pytest.mark.parametrize(
    ("metadata", "entry", "words"),
    [
        (
            {"replication-method": "INCREMENTAL"},
            {"replication_method": "FULL_TABLE"},
            "FULL_TABLE and INCREMENTAL as replication method of tasks",
        ),
        (
            {"replication-method": "FULL_TABLE", "forced-replication-method": "INCREMENTAL"},
            {},
            "FULL_TABLE and INCREMENTAL as replication method of tasks",
        ),
        (
            {"replication-key": "status"},
            {"replication_key": "_id"},
            "_id and status as replication key of tasks",
        ),
    ],
)
def test_a_contradiction_is_refused_in_words(chosen, metadata, entry, words):
    with pytest.raises(SettingsError, match=f"The catalog chooses {words}: "):
        chosen(metadata=metadata, **entry)


def test_a_stream_that_the_catalog_calls_otherwise_keeps_its_name(planhat, run, caplog):
    planhat.add("campaigns", 1)
    out = run("campaigns", change=lambda entry: entry.update(stream="public-campaigns"))
    assert len(out.records("campaigns")) == 1
    assert (
        "The catalog calls campaigns 'public-campaigns'; its records are written as" in caplog.text
    )


@pytest.mark.parametrize("name", ["taskss", "Tasks", "everything"])
def test_a_catalog_that_selects_nothing_is_a_warning_with_the_names_there_are(tap_of, caplog, name):
    catalog = json.loads(tap_of().catalog_json_text)
    catalog["streams"] = catalog["streams"][-1:]
    catalog["streams"][0]["tap_stream_id"] = name
    tap_of(catalog=catalog)
    said = [entry.getMessage() for entry in caplog.records]
    known = "the streams are campaigns, conversations, nps, tasks"
    assert said == [
        f"The catalog names an unknown stream, {name!r}; {known}",
        f"No stream is selected, so nothing is read; {known}",
    ]


def test_a_catalog_that_selects_something_is_no_warning(tap_of, caplog):
    catalog = json.loads(tap_of().catalog_json_text)
    tap_of(catalog=catalog)
    assert not caplog.records
    for entry in catalog["streams"]:
        for each in entry["metadata"]:
            each["metadata"]["selected"] = False
    tap_of(catalog=catalog)
    assert "No stream is selected" in caplog.text
