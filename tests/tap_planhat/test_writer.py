"""Singer lines: whole, in order, none left behind."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
import threading
from decimal import Decimal

import pytest
from singer_sdk.singerlib import ActivateVersionMessage, SchemaMessage, StateMessage

from tap_planhat import writer as writer_module
from tap_planhat.writer import FLUSH_BYTES, SingerLines, StdoutError

WHEN = "2026-05-17T12:00:00.000Z"


class Pipe(contextlib.redirect_stdout):
    """Standard output as a pipe, for as long as the block lasts."""

    def __init__(self):
        self.reading, writing = os.pipe()
        self.got = bytearray()
        self.stdout = os.fdopen(writing, "w", encoding="utf-8")
        self.thread = threading.Thread(target=self.drain)
        self.thread.start()
        super().__init__(self.stdout)

    def drain(self):
        while piece := os.read(self.reading, 1 << 16):
            self.got.extend(piece)

    def __enter__(self):
        super().__enter__()
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        self.stdout.close()
        self.thread.join()
        os.close(self.reading)

    def messages(self):
        return [json.loads(line) for line in bytes(self.got).splitlines()]


def write(lines, records, *, stream="tasks", version=None):
    lines.write_records(stream, records, version=version, extracted=WHEN)


def test_records_and_other_messages_come_out_whole_and_in_order():
    lines = SingerLines()
    with Pipe() as pipe:
        lines.write_message(SchemaMessage("tasks", {"properties": {}}, ["_id"]))
        write(lines, [{"_id": "a"}, {"_id": "b", "action": "ü\n\u2028"}])
        lines.write_message(StateMessage({"bookmarks": {"tasks": {"reading": {"key": None}}}}))
        write(lines, [{"_id": "c"}], stream='my "tasks"', version=7)
        lines.write_message(ActivateVersionMessage("tasks", 7))

    schema, first, second, state, third, activate = pipe.messages()
    assert schema["type"] == "SCHEMA"
    assert first == {
        "type": "RECORD",
        "stream": "tasks",
        "record": {"_id": "a"},
        "time_extracted": WHEN,
    }
    assert second["record"] == {"_id": "b", "action": "ü\n\u2028"}
    assert state == {"type": "STATE", "value": {"bookmarks": {"tasks": {"reading": {"key": None}}}}}
    assert (third["stream"], third["version"]) == ('my "tasks"', 7)
    assert activate == {"type": "ACTIVATE_VERSION", "stream": "tasks", "version": 7}


def test_no_record_waits_once_its_batch_is_written(monkeypatch):
    written = []
    monkeypatch.setattr(
        writer_module.os, "write", lambda _, data: written.append(data) or len(data)
    )
    with Pipe():
        write(SingerLines(), [{"_id": "a"}])
    assert written


def test_many_records_are_written_in_pieces_of_about_the_same_size(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        writer_module.os, "write", lambda _, data: sizes.append(len(data)) or len(data)
    )
    with Pipe():
        write(SingerLines(), ({"_id": str(number), "text": "x" * 1000} for number in range(1000)))
    assert len(sizes) == 1000 * 1100 // FLUSH_BYTES + 1
    assert max(sizes) < FLUSH_BYTES + 2000


def test_a_record_larger_than_any_pipe_comes_out_whole():
    lines = SingerLines()
    big = {"_id": "a", "description": "x" * 3_000_000}
    with Pipe() as pipe:
        write(lines, [big, {"_id": "b"}])
    assert [message["record"] for message in pipe.messages()] == [big, {"_id": "b"}]


def test_what_the_system_takes_in_part_is_written_on(monkeypatch):
    real = os.write
    monkeypatch.setattr(writer_module.os, "write", lambda fd, data: real(fd, bytes(data[:7])))
    lines = SingerLines()
    with Pipe() as pipe:
        write(lines, [{"_id": "a"}])
        lines.write_message(StateMessage({}))
    assert [message["type"] for message in pipe.messages()] == ["RECORD", "STATE"]


def test_text_printed_before_comes_out_before():
    lines = SingerLines()
    with Pipe() as pipe:
        sys.stdout.write('{"type":"printed"}\n')
        lines.write_message(StateMessage({}))
        sys.stdout.write('{"type":"printed"}\n')
        write(lines, [{"_id": "a"}])
    kinds = [message["type"] for message in pipe.messages()]
    assert kinds == ["printed", "STATE", "printed", "RECORD"]


def test_output_that_is_no_file_gets_text():
    lines = SingerLines()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        write(lines, [{"_id": "ü"}])
        lines.write_message(StateMessage({}))
    assert [json.loads(line)["type"] for line in output.getvalue().splitlines()] == [
        "RECORD",
        "STATE",
    ]


def test_a_reader_that_is_gone_is_an_error():
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "w") as stdout,
        contextlib.redirect_stdout(stdout),
        pytest.raises(StdoutError, match="What reads this output is gone; see its own messages"),
    ):
        write(SingerLines(), [{"_id": "a"}])


def test_output_that_takes_no_more_is_an_error_that_says_why(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer_module.os, "write", full)
    with Pipe(), pytest.raises(StdoutError, match="cannot be written: No space left on device"):
        SingerLines().write_message(StateMessage({}))


def test_output_that_is_closed_is_an_error():
    # Python's own sign for it.
    with (
        contextlib.redirect_stdout(None),
        pytest.raises(StdoutError, match="Standard output is closed"),
    ):
        SingerLines().write_message(StateMessage({}))


def test_no_half_line_is_left_of_a_record_that_cannot_be_encoded():
    lines = SingerLines()
    with Pipe() as pipe:
        with pytest.raises(TypeError):
            write(lines, [{"_id": "a"}, {1: "no text"}])
        lines.write_message(StateMessage({}))
    assert [message["type"] for message in pipe.messages()] == ["RECORD", "STATE"]


def test_values_that_stream_maps_make_are_written_as_text():
    with Pipe() as pipe:
        write(SingerLines(), [{"_id": Decimal("1.5")}])
    assert pipe.messages()[0]["record"] == {"_id": "1.5"}


def test_what_came_up_while_a_line_was_written_is_done_once_it_is_whole(monkeypatch):
    lines = SingerLines()
    real = os.write
    seen = []

    def interrupted(descriptor, data):
        assert lines.writing
        lines.after_write = lambda: seen.append((lines.writing, bytes(lines._buffer)))
        return real(descriptor, data)

    monkeypatch.setattr(writer_module.os, "write", interrupted)
    assert not lines.writing
    with Pipe() as pipe:
        lines.write_message(StateMessage({}))
    assert seen == [(False, b"")]
    assert pipe.messages() == [{"type": "STATE", "value": {}}]


def test_what_came_up_is_done_even_if_the_reader_went_away(monkeypatch):
    lines = SingerLines()
    seen = []

    def broken(*_):
        lines.after_write = lambda: seen.append("done")
        raise BrokenPipeError

    monkeypatch.setattr(writer_module.os, "write", broken)
    with Pipe(), pytest.raises(StdoutError):
        lines.write_message(StateMessage({}))
    assert seen == ["done"]
    assert not lines.writing
