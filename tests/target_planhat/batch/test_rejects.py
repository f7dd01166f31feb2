from __future__ import annotations

import json
import os
import stat

import pytest

from target_planhat.batch import rejects as module
from target_planhat.batch.rejects import RejectFile
from target_planhat.errors import RejectFileError
from target_planhat.outcome import rejected

SCHEMA = {"type": "SCHEMA", "stream": "tasks", "schema": {"properties": {}}, "key_properties": []}
OTHER = SCHEMA | {"stream": "nps"}


OURS = (
    b'{"type":"SCHEMA","stream":"a","schema":{}}\n'
    b'{"type":"RECORD","stream":"a","record":{},"reason":"why","rejected_at":"now"}\n'
)
HALF = b'{"type":"RECORD","stream":"a","record":{"n":'


def record(content=b"{}", beside=b""):
    return b'{"type": "RECORD", "stream": "tasks", "record": %b%b}\n' % (content, beside)


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rejects.singer"


def test_a_schema_stands_before_the_first_record_of_its_stream(path):
    rejects = RejectFile(str(path))
    for schema, number in ((SCHEMA, 1), (SCHEMA, 2), (OTHER, 3), (SCHEMA, 4)):
        rejects.add(schema, record(b'{"n":%d}' % number), rejected("why", 400), "b")
    rejects.flush()
    rejects.close()
    kept = lines(path)
    assert [line.get("record", {}).get("n", line["stream"]) for line in kept] == [
        "tasks",
        1,
        2,
        "nps",
        3,
        4,
    ]
    assert kept[1].keys() == {
        "type",
        "stream",
        "record",
        "reason",
        "status",
        "rejected_at",
        "batch",
    }


def test_a_schema_that_changed_is_written_again(path):
    rejects = RejectFile(str(path))
    changed = SCHEMA | {"key_properties": ["id"]}
    for schema in (SCHEMA, changed):
        rejects.add(schema, record(), rejected("why"), "b")
    rejects.flush()
    rejects.close()
    assert [line for line in lines(path) if line["type"] == "SCHEMA"] == [SCHEMA, changed]


def test_the_file_is_for_its_owner_only(path):
    old = os.umask(0)
    try:
        RejectFile(str(path))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_records_are_on_the_disk_after_a_flush(path, monkeypatch):
    synced = []
    monkeypatch.setattr(module.os, "fsync", synced.append)
    rejects = RejectFile(str(path))
    rejects.flush()
    assert synced == []
    rejects.add(SCHEMA, record(), rejected("why"), "b")
    assert path.stat().st_size == 0
    rejects.flush()
    assert len(synced) == 1
    assert path.read_bytes().endswith(b"\n")
    rejects.close()


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (b"", b""),
        (OURS, OURS),
        (OURS + HALF, OURS),
        (OURS + b'{"ty', OURS),
        (b'{"type":"SCHEMA","stream', b""),
        # Whole, but for its end: somebody edited it.
        (OURS + OURS[:-1], OURS + OURS),
        (OURS.replace(b":", b": "), OURS.replace(b":", b": ")),
        (OURS + HALF + b'"' + b"x" * 3_000_000, OURS),
        (OURS[:-2] + b',"long":"' + b"x" * 3_000_000 + b'"}\n' + HALF, None),
    ],
)
def test_half_a_last_line_is_cut_off_and_whole_ones_stay(path, before, kept):
    kept = before.removesuffix(HALF) if kept is None else kept
    path.write_bytes(before)
    rejects = RejectFile(str(path))
    assert rejects.cut == max(0, len(before) - len(kept))
    rejects.add(SCHEMA, record(), rejected("why"), "b")
    rejects.flush()
    rejects.close()
    content = path.read_bytes()
    assert content.startswith(kept)
    assert [line["type"] for line in lines(path)[-2:]] == ["SCHEMA", "RECORD"]
    assert len(lines(path)) == kept.count(b"\n") + 2


@pytest.mark.parametrize(
    "foreign",
    [
        b"{",
        b"hello",
        b"hello\nworld\n",
        b'{"a":1}\n',
        b'{"a":1}\n{"b":',
        b'{"type":"STATE","value":{}}\n',
        # A tap's own output.
        b'{"type":"SCHEMA","stream":"a","schema":{}}\n{"type":"RECORD","stream":"a","record":{}}\n',
        OURS + b'{"type":"RECORD","stream":"a","record":{}}',
        OURS + b"notes\n",
        b"\n" + OURS,
        b"\x1f\x8b\x08" + OURS,
    ],
)
def test_a_file_that_somebody_else_has_written_is_refused_and_stays_as_it_is(path, foreign):
    path.write_bytes(foreign)
    path.chmod(0o644)
    with pytest.raises(OSError, match="not a reject file"):
        RejectFile(str(path))
    assert path.read_bytes() == foreign
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_reject_file_that_others_could_read_is_private_from_now_on(path):
    path.write_bytes(OURS)
    path.chmod(0o644)
    RejectFile(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_made_private_is_refused(path, monkeypatch):
    def forbidden(*_):
        raise PermissionError

    path.touch(0o644)
    monkeypatch.setattr(module.os, "fchmod", forbidden)
    with pytest.raises(OSError, match="others may read it"):
        RejectFile(str(path))


def test_a_file_that_holds_nothing_is_removed(path):
    RejectFile(str(path)).close()
    assert not path.exists()
    path.write_bytes(OURS)
    RejectFile(str(path)).close()
    assert path.exists()


def test_a_file_that_holds_nothing_and_cannot_be_removed_is_no_failure(path, monkeypatch):
    def refuse(_):
        raise PermissionError

    rejects = RejectFile(str(path))
    monkeypatch.setattr(module.Path, "unlink", refuse)
    rejects.close()
    assert path.exists()


def test_a_file_that_another_run_writes_to_is_refused_and_stays(path):
    first = RejectFile(str(path))
    with pytest.raises(BlockingIOError, match="another run is writing to it"):
        RejectFile(str(path))
    first.add(SCHEMA, record(), rejected("why"), "b")
    first.flush()
    path.write_bytes(path.read_bytes() + b'{"half')
    with pytest.raises(BlockingIOError):
        RejectFile(str(path))
    assert path.read_bytes().endswith(b'{"half')
    first.close()
    RejectFile(str(path)).close()
    assert len(lines(path)) == 2


def test_rejects_do_not_go_to_a_file_that_another_run_has_just_removed(path, monkeypatch):
    first = RejectFile(str(path))
    flock = module.fcntl.flock

    def lock_late(file, operation):
        # Opened, but not yet locked, when the first run ends.
        monkeypatch.setattr(module.fcntl, "flock", flock)
        first.close()
        flock(file, operation)

    monkeypatch.setattr(module.fcntl, "flock", lock_late)
    second = RejectFile(str(path))
    second.add(SCHEMA, record(), rejected("why"), "b")
    second.flush()
    second.close()
    assert len(lines(path)) == 2


def test_an_empty_file_that_could_not_be_locked_is_left(path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    RejectFile(str(path)).close()
    assert path.exists()


def test_a_system_without_locks_works_too(path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    RejectFile(str(path)).close()
    assert not path.exists()


def test_what_is_no_regular_file_is_refused_and_stays(path):
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        RejectFile(str(path))
    assert path.exists()


def test_a_file_that_somebody_removed_does_not_count_as_written(path):
    rejects = RejectFile(str(path))
    path.unlink()
    rejects.add(SCHEMA, record(), rejected("why"), "b")
    with pytest.raises(RejectFileError, match="removed during the run"):
        rejects.flush()
    rejects.close()


def test_a_link_stays_and_what_it_led_to_goes_if_empty(path):
    link = path.with_suffix(".link")
    link.symlink_to(path)
    RejectFile(str(link)).close()
    assert link.is_symlink()
    assert not path.exists()


def test_a_link_that_leads_to_itself_is_an_error_of_the_system(path):
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        RejectFile(str(path))


def test_a_file_that_took_the_place_of_an_empty_one_stays(path):
    rejects = RejectFile(str(path))
    path.rename(path.with_suffix(".old"))
    path.touch()
    rejects.close()
    assert path.exists()


@pytest.mark.parametrize(
    "value",
    [
        '"\\ud83d"',
        "NaN",
        "-Infinity",
        "123456789012345678901234",
        "9" * 5000,
        '"\u00e9"',
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_a_value_that_is_hard_to_keep_is_kept_as_it_was(path, value):
    rejects = RejectFile(str(path))
    rejects.add(SCHEMA, record(b'{"name":%b}' % value.encode()), rejected("why"), "b")
    rejects.flush()
    rejects.close()
    assert f'"record": {{"name":{value}}},"reason":"why"' in path.read_text(encoding="utf-8")
    # The next run can tell whose file it is.
    RejectFile(str(path)).close()


def test_bytes_that_are_not_utf_8_are_escaped(path):
    rejects = RejectFile(str(path))
    rejects.add(SCHEMA, record(b'{"name":"\xff"}'), rejected("why"), "b")
    rejects.flush()
    rejects.close()
    assert lines(path)[1]["record"] == {"name": "\udcff"}


def test_what_an_earlier_run_said_beside_a_record_is_replaced(path):
    said = b',"reason":"old","status":null,"rejected_at":"then","batch":"a"'
    own = record(b'{"reason":"mine"}')
    rejects = RejectFile(str(path))
    for line in (record(beside=said), record(b'{"a":1,"reason":"mine"}'), own):
        rejects.add(SCHEMA, line, rejected("new"), "b")
    rejects.flush()
    rejects.close()
    _, first, second, third = lines(path)
    assert path.read_bytes().count(b'"status"') == 3
    assert [line["reason"] for line in (first, second, third)] == ["new"] * 3
    assert [line["record"].get("reason") for line in (first, second, third)] == [
        None,
        "mine",
        "mine",
    ]


def test_of_a_full_disk_the_message_names_the_file_and_nothing_half_written_stays(
    path, monkeypatch
):
    rejects = RejectFile(str(path))
    rejects.add(SCHEMA, record(b'{"n":1}'), rejected("why"), "b")
    rejects.flush()
    before = path.read_bytes()
    rejects.add(SCHEMA, record(b'{"n":2}'), rejected("why"), "b")
    write = os.write
    room = [10, 20]

    def write_a_little(file, data):
        if not room:
            raise OSError(28, "No space left on device")
        return write(file, data[: room.pop()])

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", write_a_little)
        with pytest.raises(RejectFileError, match=f"{path.name}.*No space left"):
            rejects.flush()
    assert path.read_bytes() == before
    # Later there is room again.
    rejects.add(SCHEMA, record(b'{"n":3}'), rejected("why"), "b")
    rejects.flush()
    rejects.close()
    assert [line["record"]["n"] for line in lines(path) if line["type"] == "RECORD"] == [1, 3]
