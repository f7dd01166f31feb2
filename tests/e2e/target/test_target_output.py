"""What a run does when nobody takes what it gives out: STATE, or the reject file."""

from __future__ import annotations

import json
import os
from pathlib import Path


def load(singer, count):
    return [singer.schema, *(singer.task(n) for n in range(count)), singer.state(count)]


def ended(process, messages=b""):
    """Return the exit code and the errors of a run."""
    _, err = process.communicate(messages, timeout=120)
    text = err.decode()
    assert "Traceback" not in text
    assert "Exception ignored" not in text
    return process.returncode, [line for line in text.splitlines() if "ERROR" in line]


def closed_reader():
    """A pipe that nobody reads, as behind `| true`."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_closed_output_is_seen_before_the_first_write(planhat, target, singer):
    for way in ({"stdout": closed_reader()}, {"script": 'exec "$@" >&-'}):
        code, lines = ended(target.start(**way), singer.encoded(load(singer, 3)))
        assert code == 1
        assert len(lines) == 1
        assert "Standard output is closed" in lines[0]
    assert planhat.rows("tasks") == []


def test_an_output_that_is_closed_later_ends_the_run_with_one_line(planhat, target, singer):
    process = target.start(batch_size_rows=2)
    first = [singer.schema, singer.task(0), singer.task(1), singer.state(1)]
    process.stdin.write(singer.encoded([*first, singer.task(2), singer.task(3)]))
    process.stdin.flush()
    assert process.stdout.readline() == b'{"at":1}\n'
    process.stdout.close()
    process.stdin.write(singer.encoded([singer.task(4), singer.task(5), singer.state(5)]))
    process.stdin.close()
    text = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=120) == 1
    assert "Standard output is closed" in text.splitlines()[-1]
    assert "Traceback" not in text
    assert "Exception ignored" not in text
    assert len(planhat.rows("tasks")) == 4


def test_an_output_that_is_full_ends_the_run_with_one_line(target, singer):
    with Path("/dev/full").open("wb") as full:
        process = target.start(stdout=full)
        code, lines = ended(process, singer.encoded(load(singer, 1)))
    assert code == 1
    assert len(lines) == 1
    assert "STATE cannot be written: No space left on device" in lines[0]


def test_a_closed_input_is_one_line(target):
    process = target.start(stdin=None, script='exec "$@" <&-')
    code, lines = ended(process)
    assert code == 1
    assert "Standard input is closed" in lines[-1]


def test_a_full_disk_under_the_reject_file_counts_what_is_in_it(target, singer):
    bad = [singer.task(n, companyId=None, action="x" * 1000) for n in range(8)]
    messages = [singer.schema]
    for n, task in enumerate(bad):
        messages += [task, singer.state(n)]

    script = 'ulimit -f 12; exec "$@"'
    process = target.start(script=script, batch_size_rows=2, rejects_path="r")
    out, err = process.communicate(singer.encoded(messages), timeout=120)
    assert process.returncode == 1
    complaint = err.decode().splitlines()[-1]
    assert f"rejects_path {target.folder / 'r'} cannot be written: File too large" in complaint
    assert b"Traceback" not in err
    kept = (target.folder / "r").read_bytes()
    assert kept.endswith(b"}\n")
    records = kept.count(b'"type":"RECORD"')
    assert 0 < records < 8
    metric = next(line for line in err.decode().splitlines() if "METRIC: " in line)
    figures = json.loads(metric.partition("METRIC: ")[2])["streams"]["tasks"]
    assert figures["rejected"] == records
    assert figures["pending"] == figures["read"] - records
    assert json.loads(out.splitlines()[-1])["at"] < records
