"""What the target says of messages that are not what they should be. Nothing is sent."""

from __future__ import annotations

import io
import json
import signal

import pytest

from planhat_api.errors import SettingsError
from target_planhat.errors import InputError
from target_planhat.target import TargetPlanhat

SCHEMA = {
    "type": "SCHEMA",
    "stream": "tasks",
    "key_properties": ["id"],
    "schema": {"properties": {"id": {}}},
}


@pytest.fixture
def load():
    """Feed messages to the target, which may write nothing."""

    def run(*messages, **settings):
        lines = "".join(json.dumps(message) + "\n" for message in messages)
        target = TargetPlanhat(config={"api_token": "t", "dry_run": True, **settings})
        target.run(io.StringIO(lines))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def nested(depth):
    schema = {}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize("keys", ["id", [["id"]], {"id": 1}, 5])
def test_key_properties_must_be_a_list_of_names(load, keys):
    with pytest.raises(InputError, match="input line 1: SCHEMA of stream tasks whose key_prop"):
        load(SCHEMA | {"key_properties": keys})


@pytest.mark.parametrize("keys", [None, []])
def test_a_stream_may_have_no_key_properties(load, keys):
    load(SCHEMA | {"key_properties": keys})


@pytest.mark.parametrize("stream", [["tasks"], {}, 5, None, ""])
def test_a_stream_must_be_named_by_text(load, stream):
    with pytest.raises(InputError, match="input line 2: RECORD without stream"):
        load(SCHEMA, {"type": "RECORD", "stream": stream, "record": {}})


@pytest.mark.parametrize("properties", [{"id": 1}, {"id": None}, {"id": []}, nested(300)])
def test_a_schema_that_the_sdk_cannot_take_apart_is_an_error_in_words(load, properties):
    with pytest.raises(InputError, match="SCHEMA of stream tasks"):
        load(
            SCHEMA | {"schema": {"properties": properties}},
            flattening_enabled=True,
            flattening_max_depth=2,
        )


def test_a_reject_file_that_cannot_be_written_is_told_before_anything_is_read(tmp_path):
    target = TargetPlanhat(config={"api_token": "t", "rejects_path": str(tmp_path / "no" / "r")})
    source = io.StringIO("no message")
    with pytest.raises(InputError, match="rejects_path"):
        target.run(source)
    assert source.tell() == 0


def test_maps_that_cannot_be_evaluated_are_told_before_anything_is_read():
    maps = {"todo": {"isArchived": False, "action": "A title"}}
    with pytest.raises(
        SettingsError, match=r"todo\.isArchived must .*; stream_maps\.todo\.action is"
    ):
        TargetPlanhat(config={"api_token": "t", "stream_maps": maps})
