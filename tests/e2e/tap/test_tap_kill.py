"""A run that was killed goes on from its last STATE: nothing lost, not everything again."""

from __future__ import annotations

import copy
import random
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest

STREAMS = ("campaigns", "conversations", "nps", "tasks")
COUNT = 400
NOW = datetime.now(timezone.utc)
TEXT = "Called about the renewal, and what it would take. " * 8


def row(stream, number, *, minutes):
    moment = NOW - timedelta(minutes=minutes)
    date = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    key = f"{int(moment.timestamp()):08x}{number:016x}"
    shared = {"_id": key, "companyId": "c", "custom": {"Text": TEXT, "Number": number}}
    if stream == "nps":
        contact = f"{number // 3:024x}"
        return shared | {"_id": contact, "npsId": key, "nps": 9, "npsDate": date, "cId": "c"}
    if stream == "tasks":
        dated = {"updatedAt": date} if number % 50 else {}
        return shared | dated | {"isArchived": number % 2 == 0, "action": "Call"}
    return shared


def filled():
    return {
        stream: [row(stream, number, minutes=9000 - 10 * number) for number in range(COUNT)]
        for stream in STREAMS
    }


def key_of(each):
    return each.get("npsId", each["_id"])


class Killer:
    """Runs the tap up to a point, and holds what a target would have by then."""

    def __init__(self, tap, run_of, server, **given):
        self._tap = tap
        self._run_of = run_of
        self._server = server
        self._given = {"page_size": 50, "parallel_requests": 2, **given}
        self.state = None
        self.messages = []
        """Of all runs, those that a STATE has followed."""
        self.lines = 0
        """Records written in all, followed by a STATE or not."""

    def until(self, size, number=signal.SIGKILL):
        """Run until so many bytes have come, send a signal, and return the run."""
        with self._tap.start(self._server, state=self.state, **self._given) as process:
            out = process.stdout.read(size)
            process.send_signal(number)
            # `communicate` would pass over what the reader has in its buffer.
            out, err = out + process.stdout.read(), process.stderr.read()
        run = self._run_of(process.returncode, out, err.decode())
        self._settle(run)
        return run

    def to_the_end(self):
        run = self._tap.reads(self._server, state=self.state, **self._given)
        self._settle(run)
        return run

    def _settle(self, run):
        self.lines += len(run.of("RECORD"))
        states = [i for i, each in enumerate(run.messages) if each["type"] == "STATE"]
        if states:
            self.messages += run.messages[: states[-1] + 1]
            self.state = run.state

    def ids(self, stream):
        return {
            each["record"]["_id"]
            for each in self.messages
            if each["type"] == "RECORD" and each["stream"] == stream
        }


@pytest.fixture
def killer(tap, run_of):
    return lambda server, **given: Killer(tap, run_of, server, **given)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_first_run_killed_again_and_again_loses_nothing_and_goes_on(odd, killer, seed):
    chance = random.Random(seed)
    with odd(delay=0.002) as server:
        server.rows = filled()
        there = {stream: {key_of(each) for each in server.rows[stream]} for stream in STREAMS}
        runs = killer(server)
        kills = 0
        # From the first bytes of all, the schema, on.
        size = 10
        while runs.until(size).code == -signal.SIGKILL:
            kills += 1
            size = chance.choice((100_000, 150_000, 250_000))
            # Meanwhile rows go, which moves all others, and come.
            for stream in STREAMS:
                gone = server.rows[stream].pop(chance.randrange(len(server.rows[stream])))
                there[stream].discard(key_of(gone))
                new = row(stream, COUNT + kills, minutes=0)
                server.rows[stream].append(new)
        last = runs.to_the_end()
    assert kills >= 5
    for stream in STREAMS:
        assert there[stream] - runs.ids(stream) == set()
        assert f"{COUNT + 1:016x}" in {key[8:] for key in runs.ids(stream)}
    # A page or two a kill comes again, tasks without a date, and what is new.
    assert runs.lines < 4 * COUNT + kills * 250
    assert len(last.of("RECORD")) < COUNT // 2


@pytest.mark.parametrize("share", [0.06, 0.3, 0.6, 0.9])
def test_a_run_killed_amid_any_stream_reads_what_is_left_and_little_more(odd, killer, share):
    with odd(delay=0.002) as server:
        server.rows = filled()
        runs = killer(server)
        runs.until(int(share * 4 * COUNT * len(TEXT) * 1.4))
        settled = sum(each["type"] == "RECORD" for each in runs.messages)
        server.calls.clear()
        runs.to_the_end()
        read = sum(call.rows for call in server.calls if int(call.query["limit"]) == 50)
    for stream in STREAMS:
        assert {key_of(each) for each in server.rows[stream]} == runs.ids(stream)
    assert 0 < settled < 4 * COUNT
    # Pages overlap by a row or two, and the last are looked at twice.
    assert read < 1.2 * (4 * COUNT - settled) + 600


def told_by_loader(messages, batch):
    """Yield the STATEs that pipelinewise's loaders tell, and target-duckdb: with what is stored.

    A stream's rows are stored when there are enough of them, and its bookmark is brought up to
    date then. The other bookmarks stay as they were, at first as in the first STATE of all.
    """
    stored, waiting, state, told = set(), {}, None, None
    for each in messages:
        if each["type"] == "STATE":
            state = each["value"]
            told = told or copy.deepcopy(state)
        elif each["type"] == "RECORD":
            rows = waiting.setdefault(each["stream"], set())
            rows.add((each["stream"], each["record"]["_id"]))
            if len(rows) == batch:
                stored |= waiting.pop(each["stream"])
                if told and each["stream"] in state["bookmarks"]:
                    told["bookmarks"][each["stream"]] = state["bookmarks"][each["stream"]]
                yield copy.deepcopy(told), set(stored)


def test_a_loader_killed_with_rows_that_wait_for_more_gets_them_from_the_next_run(
    tap, odd, tmp_path
):
    # Now the first STATE behind a record is that of a whole list.
    given = {"inventory_path": str(tmp_path / "inventory")}
    with odd() as server:
        server.rows = filled()
        there = {(stream, key_of(each)) for stream in STREAMS for each in server.rows[stream]}
        whole = tap.reads(server, page_size=50, **given)
        *_, (state, stored) = told_by_loader(whole.messages, batch=70)
        rest = tap.reads(server, page_size=50, state=state, **given)
    assert there - stored
    assert there - stored <= {(stream, key) for stream in STREAMS for key in rest.ids(stream)}


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_a_full_table_is_activated_once_it_is_whole_whatever_was_killed_before(
    tap, odd, killer, share
):
    catalog = tap.catalog("tasks", method="FULL_TABLE")
    given = {"catalog": catalog, "emit_activate_version_messages": True}
    with odd(delay=0.002) as server:
        server.rows = filled()
        runs = killer(server, **given)
        killed = runs.until(int(share * COUNT * len(TEXT)))
        assert killed.code == -signal.SIGKILL
        assert not killed.of("ACTIVATE_VERSION")
        server.calls.clear()
        whole = runs.to_the_end()
        rows = sum(call.rows for call in server.calls if int(call.query["limit"]) == 50)
        # The version is the time of its beginning, in seconds.
        time.sleep(1)
        after = tap.reads(server, state=runs.state, **given)
    (activated,) = whole.of("ACTIVATE_VERSION")
    versions = {each["version"] for each in runs.messages if each["type"] == "RECORD"}
    assert versions == {activated["version"]}
    assert runs.ids("tasks") == {key_of(each) for each in server.rows["tasks"]}
    assert whole.messages[-1]["type"] == "STATE"
    assert max(i for i, each in enumerate(whole.messages) if each["type"] == "RECORD") < (
        whole.messages.index(activated)
    )
    assert rows < 1.5 * COUNT
    # The next run begins anew.
    assert set(after.ids("tasks")) == runs.ids("tasks")
    assert after.of("ACTIVATE_VERSION")[0]["version"] > activated["version"]


def test_without_activation_a_full_table_is_read_whole_each_time(tap, odd):
    catalog = tap.catalog("campaigns", "nps", method="FULL_TABLE")
    with odd() as server:
        server.rows = filled()
        first = tap.reads(server, catalog=catalog)
        second = tap.reads(server, catalog=catalog, state=first.state)
    for run in (first, second):
        assert not run.of("ACTIVATE_VERSION")
        assert len(run.ids("campaigns")) == len(run.ids("nps")) == COUNT


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_at_a_whole_line_and_the_next_goes_on(odd, killer, number, code):
    with odd(delay=0.002) as server:
        server.rows = filled()
        runs = killer(server)
        stopped = runs.until(300_000, number)
        assert stopped.code == code
        assert stopped.out.endswith(b"\n")
        assert "Traceback" not in stopped.err
        assert "the next run goes on from the last STATE" in stopped.complaint
        rest = runs.to_the_end()
    for stream in STREAMS:
        assert {key_of(each) for each in server.rows[stream]} == runs.ids(stream)
    assert len(rest.of("RECORD")) < 3 * COUNT


def test_a_signal_is_not_held_up_by_an_answer_that_does_not_come(tap, odd):
    with odd() as server:
        server.rows = filled()
        server.spoil = lambda _resource, query: time.sleep(8 if query["offset"] != "0" else 0)
        with tap.start(server, "campaigns", page_size=50) as process:
            process.stdout.read(30_000)
            began = time.monotonic()
            process.terminate()
            out = process.stdout.read()
            process.wait()
            took = time.monotonic() - began
    assert process.returncode == 143
    assert out.endswith(b"\n")
    assert took < 5
