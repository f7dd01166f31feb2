"""Long lists: few calls where little is new, and memory that does not grow with the rows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest

TEXT = "Called about the renewal, and what it would take to sign before the end. " * 10
SECONDS = 40


class LongList:
    """Rows of about 1 KB, one every 40 seconds up to now, made when they are asked for."""

    def __init__(self, count):
        self.count = count
        self._start = time.time() - SECONDS * count
        rest = {
            "action": "Call",
            "companyId": "5f0000000000000000000001",
            "description": TEXT,
            "users": [{"id": "5f0000000000000000000002", "isOwner": True}],
            "custom": {"Days in Phase": 12, "Segment": "Enterprise"},
        }
        self._rest = orjson.dumps(rest)[1:]

    def __call__(self, query):
        if query.get("isArchived") == "true":
            return b"[]", 0
        first = int(query["offset"])
        last = min(self.count, first + int(query["limit"]))
        numbers = range(first, last)
        if query["sort"].startswith("-"):
            numbers = [self.count - 1 - number for number in numbers]
        return b"[" + b",".join(map(self._row, numbers)) + b"]", len(numbers)

    def _row(self, number):
        moment = self._start + SECONDS * number
        head = f'{{"_id":"{self.id(number)}","updatedAt":"{_date(moment)}",'
        return head.encode() + self._rest

    def id(self, number):
        return f"{int(self._start + SECONDS * number):08x}{number:016x}"

    def date(self, number):
        return _date(self._start + SECONDS * number)


def _date(moment):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))


@pytest.mark.parametrize(
    ("new", "hint"),
    [(100, None), (100, 0), (1500, 0), (1500, 700), (1500, -700)],
    ids=["few", "few, hint", "many, hint", "many, hint beyond", "many, hint before"],
)
@pytest.mark.parametrize("stream", ["tasks", "conversations"])
def test_what_is_new_behind_a_million_rows_costs_few_calls(tap, odd, stream, new, hint):
    listed = LongList(1_000_000)
    last = listed.count - new - 1
    key = {"tasks": "updatedAt", "conversations": "_id"}[stream]
    bookmark = {
        "replication_key": key,
        "replication_key_value": {"updatedAt": listed.date(last), "_id": listed.id(last)}[key],
        "full_read_at": _date(time.time()),
    }
    if hint is not None:
        # Rows have come or gone before it since.
        bookmark["offset"] = last + hint
    if stream == "tasks":
        read = {"context": {"isArchived": "false"}, **bookmark, "last_id": listed.id(last)}
        empty = {"context": {"isArchived": "true"}, "replication_key": key, "last_id": ""}
        bookmark = {"partitions": [read, empty], "full_read_at": bookmark["full_read_at"]}
    with odd() as server:
        server.pages = {stream: listed}
        run = tap.reads(server, stream, state={"bookmarks": {stream: bookmark}})
    # The lookback of ten minutes covers another fifteen.
    assert {listed.id(number) for number in range(last, listed.count)} <= set(run.ids(stream))
    assert len(run.ids(stream)) <= new + 20
    # All in all: tasks have two lists, whose tails are read again until nothing moves between them.
    assert len(server.calls) <= (12 if new == 100 else 16)


def test_a_start_date_amid_a_million_rows_is_found_in_few_calls(tap, odd):
    listed = LongList(1_000_000)
    first = listed.count - 500
    with odd() as server:
        server.pages = {"conversations": listed}
        run = tap.reads(server, "conversations", start_date=listed.date(first))
    assert len(run.ids("conversations")) == 500
    # Four of them are samples, one tells the time.
    assert len(server.calls) <= 25


def test_memory_stays_flat_however_many_rows_are_read(tap, odd):
    imported = _peak([sys.executable, "-c", "import tap_planhat.tap; print(flush=True); input()"])
    peaks = []
    with odd() as server:
        server.pages = {"tasks": LongList(120_000)}
        with tap.start(server, "tasks") as process:
            drain = threading.Thread(target=process.stderr.read)
            drain.start()
            records = 0
            for line in process.stdout:
                records += line.startswith(b'{"type":"RECORD"')
                if records in (40_000, 119_000) and line.startswith(b'{"type":"RECORD"'):
                    peaks.append(_peak_of(process.pid))
            drain.join()
    assert records == 120_000
    early, late = peaks
    # In megabytes; half of it is two pages decoded and those under way.
    assert late - imported < 110
    assert late - early < 20


def _peak(command):
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = _peak_of(process.pid)
        process.communicate(b"\n")
    return found


def _peak_of(pid):
    """Return the most memory a process has held, in megabytes; where none knows, what it holds."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    held = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True)
    return int(held.stdout) / 1024
