"""A report of JSON lines, and the file it is in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import orjson
import pytest

from target_planhat.errors import InputError
from target_planhat.report.changes import JsonLines, ReportFile


def lines(path):
    return [orjson.loads(line) for line in Path(path).read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "report.jsonl")


def report(path):
    return JsonLines(ReportFile(path, JsonLines.MARK))


def test_each_record_is_a_line_and_the_last_line_has_the_figures(path, record, summary):
    made = report(path)
    made.add(record(1, record_id="5f", status=("open", "done")))
    made.add(record(2, "rejected", reason="`companyId` is missing."))
    made.flush()
    assert len(lines(path)) == 2
    made.finish(summary(tasks={"updated": 1, "rejected": 1}))
    first, second, last = lines(path)
    assert first == {
        "stream": "tasks",
        "key": {"id": 1},
        "_id": "5f",
        "outcome": "updated",
        "changes": {"status": ["open", "done"]},
        "reason": "",
    }
    assert second["reason"] == "`companyId` is missing."
    assert last["figures"]["tasks"]["updated"] == 1
    assert last["calls"] == {"GET /tasks": 9, "PUT /tasks": 1}


def test_values_that_json_has_no_room_for_are_written_all_the_same(path, record, summary):
    made = report(path)
    made.add(record(10**40, big=(float("nan"), "half \ud800 character")))
    made.finish(summary(tasks={"updated": 1}))
    assert str(10**40) in Path(path).read_text()


def test_only_its_owner_may_read_it_even_if_it_was_there_before(path, record, summary):
    Path(path).touch(mode=0o644)
    made = report(path)
    made.add(record())
    made.finish(summary(tasks={"updated": 1}))
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_the_report_of_an_earlier_run_is_replaced(path, record, summary):
    for count in (3, 1):
        made = report(path)
        for number in range(count):
            made.add(record(number))
        made.finish(summary(tasks={"updated": count}))
    assert len(lines(path)) == 2


def test_a_report_of_figures_alone_is_one_and_is_replaced(path, summary):
    for _ in range(2):
        report(path).finish(summary())
    assert len(lines(path)) == 1


@pytest.mark.parametrize("content", ["a,b\n1,2\n", '{"type": "STATE", "value": {}}\n', "{}"])
def test_a_file_that_holds_something_else_is_left_as_it_is(path, content):
    Path(path).write_text(content)
    with pytest.raises(InputError, match="holds something other than a report"):
        report(path)
    assert Path(path).read_text() == content


@pytest.mark.parametrize("made", ["folder", "pipe", "missing/x"])
def test_a_place_where_no_file_can_be_is_an_error_in_words(tmp_path, made):
    path = tmp_path / made
    if made == "folder":
        path.mkdir()
    if made == "pipe":
        os.mkfifo(path)
    with pytest.raises(InputError, match="report_path /"):
        report(str(path))
