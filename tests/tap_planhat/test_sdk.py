"""Where the tap takes hold of the Singer SDK: batches, stream maps, tests and signals."""

from __future__ import annotations

import contextlib
import gc
import inspect
import io
import json
import logging
import re
import signal
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.io_base import SingerWriter

from planhat_api.dates import to_moment
from planhat_api.errors import ServerFaultError
from planhat_api.paging import ScanError
from tap_planhat import sdk
from tap_planhat.sdk import BatchStream, BatchTap, RecordBatch, RowsLeftOutError, StreamError
from tap_planhat.shape import ShapeError
from tap_planhat.writer import StdoutError

ROWS = [{"_id": str(number), "name": f"n{number}", "custom": {"a": number}} for number in range(6)]
SCHEMA = {
    "type": "object",
    "properties": {
        "_id": {"type": "string"},
        "name": {"type": ["string", "null"]},
        "custom": {"type": ["object", "null"], "properties": {"a": {"type": ["integer", "null"]}}},
    },
    "required": ["_id"],
}


class Things(BatchStream):
    name = "things"
    schema = SCHEMA
    primary_keys = ("_id",)
    version = 1700000000
    rows = ROWS
    fails_with = None
    extra = False

    def __init__(self, tap):
        super().__init__(tap, schema=SCHEMA, name="things")
        self.events = []

    def batches(self):
        for start in range(0, len(self.rows), 2):
            self.events.append(f"read {start}")
            yield RecordBatch(self.rows[start : start + 2], lambda start=start: self.commit(start))
        if self.fails_with is not None:
            raise self.fails_with

    def commit(self, start):
        self.events.append(f"commit {start}")
        self.stream_state["done"] = start


class ThingsTap(BatchTap):
    name = "tap-things"
    config_jsonschema = {"properties": {}}  # noqa: RUF012

    def discover_streams(self):
        return [Things(self)]


class BreaksAt(io.StringIO):
    """Standard output whose reader goes away."""

    def __init__(self, count):
        super().__init__()
        self.left = count

    def write(self, text):
        if self.left == 0:
            raise BrokenPipeError
        self.left -= 1
        return super().write(text)


def sync(config=None, *, prepare=None, run=lambda tap: tap.sync_all(), output=None):
    """Run the tap; return its messages."""
    tap = ThingsTap(config=config or {})
    if prepare is not None:
        prepare(tap.streams["things"])
    with contextlib.redirect_stdout(output or io.StringIO()) as written:
        run(tap)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def kinds(messages):
    return [message["type"] for message in messages]


def records(messages, stream="things"):
    return [
        message["record"]
        for message in messages
        if message["type"] == "RECORD" and message["stream"] == stream
    ]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Stream, "_sync_records"),
        (Stream, "_write_activate_version_message"),
        (Stream, "_write_state_message"),
        (Stream, "stream_maps"),
        (Stream, "state_manager"),
        (Stream, "get_replication_key_signpost"),
        (Stream, "get_record_counter"),
        (Stream, "get_sync_timer"),
        (Stream, "apply_catalog"),
        (Stream, "log_sync_costs"),
        (Stream, "ABORT_AT_RECORD_COUNT"),
        (Tap, "_handle_termination"),
        (Tap, "message_writer_class"),
        (Tap, "cb_config"),
    ],
)
def test_the_sdk_still_has_what_is_overridden_or_called(owner, name):
    assert hasattr(owner, name)


@pytest.mark.parametrize("name", ["_tap", "_stream_version"])
def test_the_sdk_still_keeps_what_is_read_or_set(name):
    assert hasattr(ThingsTap().streams["things"], name)
    assert f"self.{name}" in inspect.getsource(Stream)


def test_the_sdk_still_works_through_what_is_overridden():
    sync_source = inspect.getsource(Stream.sync)
    assert "self._sync_records(context=context)" in sync_source
    assert "self._write_activate_version_message(" in sync_source
    assert "self._stream_version = " in sync_source
    assert "SIGTERM, self._handle_termination" in inspect.getsource(Tap._setup_signal_handlers)


@pytest.mark.parametrize("module", ["streams", "run", "tap"])
def test_only_one_module_knows_private_names_of_the_sdk(module):
    text = (Path(sdk.__file__).parent / f"{module}.py").read_text()
    used = set(re.findall(r"(?:\w|\))\.(_[a-z]\w*)", text))
    ours = set(re.findall(r"(?:def |self\.)(_[a-z]\w*)(?:\(| = )", text))
    assert used <= ours


def test_each_batch_is_written_then_committed_then_stated():
    seen = []

    def prepare(stream):
        stream.events = seen

    messages = sync(prepare=prepare)
    assert seen == [each for n in (0, 2, 4) for each in (f"read {n}", f"commit {n}")]
    assert kinds(messages) == ["SCHEMA", "STATE", *["RECORD", "RECORD", "STATE"] * 3]
    states = [m["value"]["bookmarks"]["things"] for m in messages if m["type"] == "STATE"]
    assert states == [{}, {"done": 0}, {"done": 2}, {"done": 4}]
    assert records(messages) == ROWS
    age = datetime.now(timezone.utc) - to_moment(messages[2]["time_extracted"])
    assert timedelta(0) <= age < timedelta(hours=1)


def test_records_are_counted(caplog):
    caplog.set_level(logging.INFO, logger="singer_sdk.metrics")
    sync()
    points = [entry.args[0] for entry in caplog.records if entry.name == "singer_sdk.metrics"]
    assert [point.value for point in points if point.metric == "record_count"][-1] == 6


def test_the_sdks_own_way_of_reading_gives_the_same_records():
    stream = ThingsTap().streams["things"]
    assert list(stream.get_records(None)) == ROWS
    assert stream.events[-1] == "commit 4"


@pytest.mark.parametrize(
    "error",
    [
        ServerFaultError("GET /things", "500"),
        ScanError("moves"),
        ShapeError("no id"),
    ],
)
def test_what_ends_a_reading_carries_its_words_and_cause(error, caplog):
    def prepare(stream):
        stream.fails_with = error

    with pytest.raises(StreamError) as caught:
        sync(prepare=prepare)
    assert caught.value.__cause__ is error
    assert str(caught.value) == str(error)
    # Nor does the SDK log it as unhandled: the command words it.
    assert "unhandled" not in caplog.text


def test_whatever_cannot_be_written_ends_the_run_with_words(caplog):
    whole = sync()
    for count in range(5):
        output = BreaksAt(count)
        with pytest.raises(StdoutError, match="What reads this output is gone"):
            sync(output=output)
        written = [json.loads(line) for line in output.getvalue().splitlines()]
        assert kinds(written) == kinds(whole)[: len(written)]
    assert kinds(whole)[0] == "SCHEMA"
    assert "RECORD" in kinds(written)
    assert "unhandled" not in caplog.text


def test_an_error_of_our_own_is_not_worded_away():
    def prepare(stream):
        stream.fails_with = RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        sync(prepare=prepare)


def test_only_our_writer_serves():
    tap = ThingsTap(message_writer=SingerWriter())
    with pytest.raises(TypeError, match="SingerLines"), contextlib.redirect_stdout(io.StringIO()):
        tap.sync_all()


def test_garbage_is_collected_seldom_meanwhile_and_as_before_afterwards(monkeypatch):
    collected = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    monkeypatch.setattr(Things, "rows", ROWS * 10)
    enabled = []

    def prepare(stream):
        stream.commit = lambda _: enabled.append(gc.isenabled())

    sync(prepare=prepare)
    assert set(enabled) == {False}
    assert len(collected) == len(enabled) // sdk.COLLECT_EVERY
    assert gc.isenabled()


# Stream maps and flattening.


def test_an_alias_renames_the_stream_everywhere():
    messages = sync({"stream_maps": {"things": {"__alias__": "items"}}})
    assert {m["stream"] for m in messages if "stream" in m} == {"items"}
    assert records(messages, "items") == ROWS


def test_a_filter_leaves_records_out():
    messages = sync({"stream_maps": {"things": {"__filter__": "int(_id) > 3"}}})
    assert [record["_id"] for record in records(messages)] == ["4", "5"]


def test_properties_are_mapped_and_removed():
    maps = {"name": "name.upper()", "custom": None, "twice": "int(_id) * 2"}
    messages = sync({"stream_maps": {"things": maps}})
    assert records(messages)[1] == {"_id": "1", "name": "N1", "twice": 2}
    assert set(messages[0]["schema"]["properties"]) == {"_id", "name", "twice"}


def test_only_mapped_properties_stay_where_all_others_are_removed():
    messages = sync({"stream_maps": {"things": {"_id": "_id", "name": "name", "__else__": None}}})
    assert records(messages)[0] == {"_id": "0", "name": "n0"}


def test_a_stream_may_be_written_twice():
    messages = sync({"stream_maps": {"copies": {"__source__": "things", "name": "'x'"}}})
    assert records(messages) == ROWS
    assert [record["name"] for record in records(messages, "copies")] == ["x"] * 6


@pytest.mark.parametrize("maps", [{"things": None}, {"__else__": None}, {"things": "__NULL__"}])
def test_a_stream_that_is_removed_is_not_even_read(maps, caplog):
    caplog.set_level(logging.INFO)
    seen = []

    def prepare(stream):
        stream.events = seen

    messages = sync({"stream_maps": maps}, prepare=prepare)
    assert seen == []
    assert set(kinds(messages)) <= {"STATE"}
    assert "done" not in json.dumps(messages)
    assert "things is not read: stream_maps leave nothing of it" in caplog.text


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ({"name": "name or 'none'"}, ["none", "n1"]),
        ({"__filter__": "name != 'n1'"}, [None]),
    ],
)
def test_a_property_that_a_row_lacks_is_null_to_a_map(monkeypatch, maps, expected):
    monkeypatch.setattr(Things, "rows", [{"_id": "0"}, ROWS[1]])
    found = records(sync({"stream_maps": {"things": maps}}))
    assert [record["name"] for record in found] == expected
    assert found[0].keys() == {"_id", "name", "custom"}


def test_every_flattened_record_has_every_column(monkeypatch):
    monkeypatch.setattr(Things, "rows", [{"_id": "0"}, ROWS[1]])
    messages = sync({"flattening_enabled": True, "flattening_max_depth": 1})
    found = records(messages)
    assert found[0] == {"_id": "0", "name": None, "custom": None} or found[0].keys() <= set(
        messages[0]["schema"]["properties"]
    )
    assert found[1]["custom__a"] == 1


@pytest.mark.parametrize("levels", [260, 1020])
@pytest.mark.parametrize(
    "config", [{}, {"flattening_enabled": True, "flattening_max_depth": 2}], ids=["plain", "flat"]
)
def test_what_is_nested_too_deeply_to_be_encoded_is_text(monkeypatch, config, levels):
    deep = "end"
    for number in range(levels):
        deep = [deep] if number % 2 else {"a": deep}
    monkeypatch.setattr(Things, "rows", [{"_id": "0", "custom": deep}, ROWS[1]])
    first, second = records(sync(config))
    assert second["name"] == "n1"
    assert flat(first.get("custom__a", first.get("custom"))) == "end"


def flat(value):
    """Return a nested value as text, with the text in it read back."""
    while not isinstance(value, str) or value != "end":
        if isinstance(value, str):
            value = json.loads(value)
        value = value["a"] if isinstance(value, dict) else value[0]
    return value


def test_rows_that_were_left_out_fail_the_run_once_all_else_is_read():
    def prepare(stream):
        stream.fails_with = RowsLeftOutError("2 rows have no id")
        full_table(stream)

    tap = ThingsTap()
    prepare(tap.streams["things"])
    with (
        contextlib.redirect_stdout(io.StringIO()) as output,
        pytest.raises(StreamError, match="2 rows have no id"),
    ):
        tap.sync_all()
    messages = [json.loads(line) for line in output.getvalue().splitlines()]
    assert len(records(messages)) == 6
    assert "ACTIVATE_VERSION" not in kinds(messages)
    assert messages[-1]["type"] == "STATE"


def test_flattened_records_fit_the_flattened_schema():
    messages = sync({"flattening_enabled": True, "flattening_max_depth": 1})
    assert "custom__a" in messages[0]["schema"]["properties"]
    assert records(messages)[3] == {"_id": "3", "name": "n3", "custom__a": 3}


# Full tables.


def full_table(stream):
    stream.forced_replication_method = "FULL_TABLE"
    stream._config["emit_activate_version_messages"] = True


def test_a_version_is_activated_behind_all_records_only():
    messages = sync(prepare=full_table)
    assert kinds(messages)[-2:] in (["STATE", "ACTIVATE_VERSION"], ["ACTIVATE_VERSION", "STATE"])
    assert kinds(messages).count("ACTIVATE_VERSION") == 1
    assert {m["version"] for m in messages if "version" in m} == {Things.version}
    assert sum("version" in message for message in messages) == 7


def test_a_reading_that_breaks_activates_nothing():
    def prepare(stream):
        full_table(stream)
        stream.fails_with = ScanError("moves")

    tap = ThingsTap()
    prepare(tap.streams["things"])
    with contextlib.redirect_stdout(io.StringIO()) as output, pytest.raises(StreamError):
        tap.sync_all()
    assert "ACTIVATE_VERSION" not in output.getvalue()


# Tests of the connection.


def test_a_test_run_writes_one_record_and_commits_nothing():
    seen = []

    def prepare(stream):
        stream.events = seen

    messages = sync(prepare=prepare, run=lambda tap: tap.run_connection_test())
    assert kinds(messages) == ["SCHEMA", "RECORD"]
    assert seen == ["read 0"]


def test_a_longer_test_run_stops_at_its_limit():
    messages = sync(run=lambda tap: tap.run_sync_dry_run(dry_run_record_limit=3))
    assert len(records(messages)) == 3


# Signals.


@pytest.fixture
def exits(monkeypatch):
    codes = []
    monkeypatch.setattr(sdk.os, "_exit", codes.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    return codes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_at_once_and_says_so(exits, number, caplog):
    caplog.set_level(logging.INFO)
    ThingsTap()._handle_termination(number, None)
    assert exits == [128 + number]
    assert f"Stopped by signal {number:d}; the next run goes on from the last STATE" in caplog.text


def test_a_signal_waits_for_the_line_that_is_being_written(exits):
    tap = ThingsTap()
    tap.message_writer.writing = True
    tap._handle_termination(signal.SIGTERM, None)
    assert exits == []
    with contextlib.redirect_stdout(io.StringIO()):
        tap.message_writer.flush()
    assert exits == [143]


def test_a_signal_ends_the_run_even_if_nothing_can_be_said(exits, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("reentrant call")

    monkeypatch.setattr(logging.Logger, "info", broken)
    tap = ThingsTap.__new__(ThingsTap)
    tap.message_writer = None
    with pytest.raises(RuntimeError):
        tap._handle_termination(signal.SIGTERM, None)
    assert exits == [143]


@pytest.fixture(autouse=True)
def _signals_as_before():
    """A tap takes over the process's signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
