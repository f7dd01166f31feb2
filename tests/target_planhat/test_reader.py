from __future__ import annotations

import io
import json

import pytest

from target_planhat.errors import InputError
from target_planhat.reader import Reader


def read(lines):
    got = []
    reader = Reader()
    counts = reader.process_lines(io.BytesIO(lines), {"STATE": got.append, "RECORD": got.append})
    return got, counts, reader


def test_messages_go_to_their_handlers_and_are_counted():
    got, counts, reader = read(b'{"type":"STATE","value":1}\n\n  \n{"type":"RECORD"}\n')
    assert [message["type"] for message in got] == ["STATE", "RECORD"]
    assert counts == {"STATE": 1, "RECORD": 1}
    assert (reader.line, reader.volume) == (4, 49)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"1", b"null", b"{}", b'{"type": 5}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_line_that_is_no_message_is_named_by_its_number(line):
    with pytest.raises(InputError, match="input line 2: "):
        read(b'{"type":"STATE"}\n' + line + b"\n")


def test_little_of_a_broken_line_is_shown():
    with pytest.raises(InputError) as caught:
        read(b'{"type":"RECORD","stream":"tasks","record":{"a":"' + b"secret" * 100)
    assert len(str(caught.value)) < 150


def test_not_a_number_is_read_though_it_is_no_json():
    [message], _, _ = read(b'{"type":"STATE","value":NaN}\n')
    assert message["value"] != message["value"]


def test_a_file_opened_as_text_is_read_as_utf_8_whatever_the_locale(tmp_path):
    got = []
    path = tmp_path / "lines.singer"
    path.write_bytes('{"type":"STATE","value":"ë"}\n'.encode() + b"\xff\n")
    with path.open(encoding="ascii") as file, pytest.raises(InputError, match="input line 2"):
        Reader().process_lines(file, {"STATE": got.append})
    assert got == [{"type": "STATE", "value": "ë"}]


def test_text_may_be_read_as_well_as_bytes():
    got = []
    Reader().process_lines(io.StringIO('{"type":"STATE"}\n'), {"STATE": got.append})
    assert got == [{"type": "STATE"}]


@pytest.mark.parametrize(
    "value",
    [
        '{"id":18446744073709551616}',
        '{"id":-9223372036854775809,"high":NaN}',
        '{"name":"\\ud83d"}',
        '{"name":"\\u00eb"}',
        "[1.5,true,null,[]]",
    ],
)
def test_a_state_leaves_as_it_came(value):
    got = []
    reader = Reader()
    line = b'{"type":"STATE","value":%s}\n' % value.encode()
    reader.process_lines(io.BytesIO(line), {"STATE": lambda _: got.append(reader.state())})
    assert got == [value]


def test_characters_of_a_state_become_ascii():
    reader = Reader()
    got = []
    line = '{"value":{"name":"ë 😀"},"type":"STATE"}\n'.encode()
    reader.process_lines(io.BytesIO(line), {"STATE": lambda _: got.append(reader.state())})
    assert got == ['{"name":"\\u00eb \\ud83d\\ude00"}']


def test_a_state_that_cannot_be_passed_on_is_named_by_its_line(monkeypatch):
    def too_deep(_):
        raise RecursionError

    monkeypatch.setattr(json, "loads", too_deep)
    reader = Reader()
    with pytest.raises(InputError, match="input line 1"):
        reader.process_lines(
            io.BytesIO(b'{"type":"STATE","value":1}\n'), {"STATE": lambda _: reader.state()}
        )
