"""SCHEMA messages: what streams they open, and what many of them cost."""

from __future__ import annotations

import json
import logging
import weakref

import pytest
from singer_sdk.mapper import PluginMapper

from target_planhat.batch.collector import Collector
from target_planhat.config import SETTINGS
from target_planhat.errors import InputError
from target_planhat.streams import SCHEMAS_KEPT, Streams

DEFAULTS = {name: item.get("default") for name, item in SETTINGS["properties"].items()}


@pytest.fixture
def make_streams():
    def make(**settings):
        config = {**DEFAULTS, **settings}
        return Streams(PluginMapper(config, logging.getLogger("maps")), config)

    return make


def announce(streams, name="tasks", keys=("id",), **columns):
    schema = {"properties": columns or {"id": {"type": "integer"}}}
    message = {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": list(keys)}
    streams.announce(message, json.dumps(message).encode())
    return streams.current[message["stream"]]


def test_a_schema_that_comes_again_goes_on_with_what_it_had(make_streams):
    streams = make_streams()
    (first,) = announce(streams, id={})
    (other,) = announce(streams, id={}, action={})
    assert other is not first
    assert announce(streams, id={}) == [first]
    assert announce(streams, id={}, action={}) == [other]


def test_what_was_read_under_changing_schemas_is_counted_together(make_streams):
    streams = make_streams()
    for number in range(2 * SCHEMAS_KEPT):
        (stream,) = announce(streams, id={}, **{f"c{number}": {}})
        stream.prepare({"id": number}, b"")
    assert [(tally.stream, tally.read) for tally in streams.tallies] == [("tasks", 128)]


def test_schemas_that_are_not_used_any_more_leave_nothing_behind(make_streams):
    streams = make_streams()
    (first,) = announce(streams, id={}, first={})
    left = weakref.ref(first)
    first.prepare({"id": 1}, b"")
    del first
    for number in range(SCHEMAS_KEPT):
        assert left() is not None
        announce(streams, id={}, **{f"c{number}": {}})
    assert left() is None


def test_records_that_wait_do_not_keep_the_streams_of_their_schemas(make_streams):
    streams, batches, left = make_streams(), [], []
    collector = Collector(batches.append, lambda: False, batch_size=1000)
    for number in range(2 * SCHEMAS_KEPT):
        (stream,) = announce(streams, id={}, companyId={}, **{f"c{number}": {}})
        collector.add(stream, {"id": number, "companyId": "extid-1"}, b"{}")
        left.append(weakref.ref(stream))
    del stream
    collector.flush()
    assert len(batches[0].records["tasks"]) == len(left)
    assert sum(each() is not None for each in left) == SCHEMAS_KEPT


def test_streams_are_reported_by_the_taps_name_and_what_is_made_of_them_by_the_maps(make_streams):
    maps = {"crm-*": {"__alias__": "tasks"}, "conversations": {"__source__": "crm-notes"}}
    streams = make_streams(stream_maps=maps)
    assert [stream.source.stream for stream in announce(streams, "crm-notes")] == [
        "crm-notes",
        "conversations",
    ]
    assert [stream.source.stream for stream in announce(streams, "crm-calls")] == ["crm-calls"]


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"__else__": None, "action": "id"}, "stream_maps.todo drops the key column id of stream"),
        ({"id": "__NULL__"}, "stream_maps.todo drops the key column id of stream todo"),
        ({"__key_properties__": ["nr"]}, "stream_maps do not fit stream todo: .*'nr'"),
    ],
)
def test_a_map_that_leaves_a_stream_without_its_key_says_what_to_do(make_streams, definition, said):
    streams = make_streams(stream_maps={"todo": {"__alias__": "tasks", **definition}})
    with pytest.raises(InputError, match=said):
        announce(streams, "todo")


@pytest.mark.parametrize("definition", [{"__else__": None, "id": "id"}, {"__else__": None}])
def test_a_map_that_keeps_the_key_or_names_another_is_taken(make_streams, definition):
    named = {} if "id" in definition else {"__key_properties__": ["sourceId"], "sourceId": "id"}
    streams = make_streams(stream_maps={"todo": {"__alias__": "tasks", **definition, **named}})
    assert len(announce(streams, "todo")) == 1


def test_a_map_without_a_stream_is_no_fault_of_the_others(make_streams):
    streams = make_streams(stream_maps={"absent": {"__else__": None}, "tasks": None})
    (stream,) = announce(streams)
    assert stream.resource is None
