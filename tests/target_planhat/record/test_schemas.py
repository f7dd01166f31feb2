from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import jsonschema_rs
import pytest

from target_planhat.record.schemas import RecordSchema, SchemaError, compiled

OLD = [
    {"properties": {"n": {"maximum": 9, "exclusiveMaximum": True}}},
    {"$schema": "http://json-schema.org/draft-04/schema#"}
    | {"properties": {"n": {"maximum": 9, "exclusiveMaximum": True}}},
    {"$schema": "http://json-schema.org/draft-03/schema#"}
    | {"properties": {"n": {"maximum": 8, "required": True}}},
    {"properties": {"n": {"anyOf": [{"maximum": 8, "required": True}]}}},
]


@pytest.mark.parametrize("schema", OLD)
def test_a_schema_of_an_old_draft_is_read_as_one_whether_it_says_so_or_not(schema):
    assert compiled(schema).is_valid({"n": 8})
    assert not compiled(schema).is_valid({"n": 9})


@pytest.fixture
def asked():
    """An address, and the paths that were asked for there."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x", paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("old", [{}, {"maximum": 1, "exclusiveMaximum": True}])
def test_nothing_is_fetched_for_a_schema(asked, tmp_path, old):
    (tmp_path / "x.json").write_text("{}")
    address, paths = asked
    for uri in (address, (tmp_path / "x.json").as_uri()):
        with pytest.raises(SchemaError, match="is not fetched"):
            compiled({"properties": {"n": {"$ref": uri}, "m": old}})
    assert paths == []


def test_a_schema_may_refer_to_its_own_parts():
    schema = {"properties": {"n": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}
    assert not compiled(schema).is_valid({"n": 1})


def test_what_is_no_schema_is_told_with_its_place():
    with pytest.raises(SchemaError, match=r'^properties\.n\.type cannot be "whole"$'):
        compiled({"properties": {"n": {"type": "whole"}}})


def test_a_schema_without_end_is_told_in_words():
    schema = {"type": "whole"}
    for _ in range(2000):
        schema = {"properties": {"n": schema}}
    with pytest.raises(SchemaError):
        compiled(schema)


def test_errors_are_worded_without_the_value():
    [error] = compiled({"type": "integer"}, mask="its value").iter_errors("secret")
    assert isinstance(error, jsonschema_rs.ValidationError)
    assert error.message == 'its value is not of type "integer"'


CLOSED = {"properties": {"a": {"type": "integer"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "record", "sent", "said"),
    [
        (CLOSED, {"a": 1, "b": 2}, ("a",), ""),
        (CLOSED, {"a": 1, "b": 2}, ("b",), "b: Additional properties are not allowed"),
        (CLOSED, {"a": "x", "b": 2}, ("a",), 'a: its value is not of type "integer"'),
        ({"required": ["b"], "minProperties": 3}, {"a": 1}, ("a",), ""),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"c": 1}, ("c",), ""),
        ({"allOf": [CLOSED]}, {"a": "x"}, ("a",), "a: its value"),
        ({"$ref": "#/$defs/a", "$defs": {"a": CLOSED}}, {"a": "x"}, ("a",), "a: its value"),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"ab": 1}, ("ab",), "ab: its value"),
        ({"properties": {"a": {"items": {"maximum": 1}}}}, {"a": [0, 2]}, ("a",), "a.1: its"),
        (CLOSED, {"a": 10**400}, ("a",), ""),
        ({"properties": {"a": {"type": "string"}}}, {"a": {1}}, ("a",), ""),
    ],
)
def test_a_record_is_held_to_what_its_schema_says_of_the_columns_that_are_sent(
    schema, record, sent, said
):
    misfit = RecordSchema(schema).misfit(record, sent)
    assert misfit.startswith(said)
    assert bool(misfit) == bool(said)
