from __future__ import annotations

import json

import orjson
import pytest

from planhat_api import errors
from planhat_api.errors import StoppedError
from target_planhat.batch.collector import Batch, PendingRecord
from target_planhat.batch.processor import BatchProcessor
from target_planhat.batch.writer import WriteSettings
from target_planhat.errors import RejectFileError
from target_planhat.item import Deletion, Item
from target_planhat.outcome import OutcomeKind, rejected
from target_planhat.report.figures import Report
from target_planhat.source import Source
from target_planhat.tenant.judge import CheckSettings
from target_planhat.tenant.lookups import Lookups

SCHEMA = {"type": "SCHEMA", "stream": "raw", "schema": {}}


STREAM = Source("tasks", orjson.dumps(SCHEMA))


ID = "5f1b7a9e1a2b3c4d5e6f7a01"


class Rejects:
    """Takes note of the order of things."""

    def __init__(self, log):
        self.log = log

    def add(self, schema, line, *_):
        assert schema == SCHEMA
        self.log.append(("reject", json.loads(line)["record"]["n"]))

    def flush(self):
        self.log.append(("flush",))


@pytest.fixture
def client(make_server):
    server = make_server()
    server.records[ID] = {"_id": ID}
    return server


@pytest.fixture
def report():
    return Report()


@pytest.fixture
def make_processor(client, report):
    def make(*, rejects=None, dry_run=False):
        return BatchProcessor(
            client,
            report,
            rejects,
            lambda state: client.log.append(("state", state)),
            settings=WriteSettings(
                batch_size=5000,
                max_body=8_000_000,
                retry_timeout=0,
                check=CheckSettings.of(
                    {
                        "compare": "off",
                        "write_mode": "upsert",
                        "dry_run": dry_run,
                        "reserved_types": "reject",
                    }
                ),
            ),
            lookups=Lookups(client, most_calls=0),
        )

    return make


def entry(position, keys=None, **more):
    keys = keys or {"sourceId": f"s{position}"}
    item = Item({**keys, **more}, keys)
    item.pack()
    return PendingRecord(position, STREAM, item, message(position))


def message(position):
    return b'{"type":"RECORD","record":{"n":%d}}\n' % position


def states(client):
    return [event[1] for event in client.log if event[0] == "state"]


def test_the_last_state_comes_out_behind_its_records(make_processor, client):
    batch = Batch(records={"tasks": [entry(0), entry(1)]}, states=[(1, "a"), (2, "b")])
    make_processor().process(batch)
    assert client.log == [("tasks", ["s0", "s1"]), ("state", "b")]


def test_rejects_are_on_the_disk_before_state_passes_them(make_processor, client):
    batch = Batch(records={"tasks": [entry(0, bad=True), entry(1)]}, states=[(2, "a")])
    batch.ended.append(PendingRecord(2, STREAM, rejected("no"), message(2)))
    make_processor(rejects=Rejects(client.log)).process(batch)
    assert client.log == [
        ("reject", 2),
        ("tasks", ["s0", "s1"]),
        ("reject", 0),
        ("flush",),
        ("state", "a"),
    ]


def test_a_reject_keeps_every_digit_of_its_record(make_processor, client):
    many = 10**24 + 1
    batch = Batch(ended=[PendingRecord(0, STREAM, rejected("bad"), message(many))])
    make_processor(rejects=Rejects(client.log)).process(batch)
    assert client.log[0] == ("reject", many)


def test_without_a_reject_file_state_stops_before_the_reject_for_good(
    make_processor, client, report
):
    processor = make_processor()
    processor.process(
        Batch(
            records={"tasks": [entry(0), entry(1, bad=True), entry(2)]},
            states=[(1, "before"), (2, "behind"), (3, "end")],
        )
    )
    processor.process(Batch(records={"tasks": [entry(3)]}, states=[(4, "next")]))
    assert states(client) == ["before"]
    assert report.total(OutcomeKind.CREATED) == 3


def test_a_refused_record_holds_state_back_too(make_processor, client):
    batch = Batch(
        ended=[PendingRecord(0, STREAM, rejected("no"), message(0))],
        states=[(0, "before"), (1, "behind")],
    )
    make_processor().process(batch)
    assert states(client) == ["before"]


def test_an_error_lets_state_out_up_to_the_first_pending_record(make_processor, client, report):
    client.unreachable = {"nps"}
    batch = Batch(
        records={
            "tasks": [entry(0), entry(3)],
            "nps": [entry(1), entry(2)],
            "campaigns": [entry(4)],
        },
        states=[(1, "a"), (3, "b"), (5, "c")],
    )
    with pytest.raises(errors.UnreachableError):
        make_processor().process(batch)
    assert [event[0] for event in client.log] == ["tasks", "nps", "state"]
    assert states(client) == ["a"]
    assert report.total(OutcomeKind.CREATED) == 2


def test_writes_and_deletions_keep_their_order(make_processor, client):
    gone = PendingRecord(1, STREAM, Deletion({"_id": ID}, None), message(1))
    make_processor().process(Batch(records={"tasks": [entry(0), gone, entry(2)]}))
    assert client.log == [("tasks", ["s0"]), ("delete", ID), ("tasks", ["s2"])]


def test_a_dry_run_calls_nobody_and_lets_no_state_out(make_processor, client, report):
    gone = PendingRecord(1, STREAM, Deletion({"_id": ID}, None), message(1))
    batch = Batch(records={"tasks": [entry(0), gone]}, states=[(0, "a"), (2, "b")])
    make_processor(dry_run=True).process(batch)
    assert client.log == []
    assert report.total(OutcomeKind.SKIPPED) == 2


def test_a_lone_id_is_looked_up_before_it_is_sent_but_not_in_a_dry_run(make_processor, client):
    batch = Batch(records={"tasks": [entry(0, {"_id": ID})]})
    make_processor(dry_run=True).process(batch)
    assert client.log == []
    make_processor().process(batch)
    assert client.log == [("get", "tasks", ID), ("tasks", [None])]


@pytest.mark.parametrize("keys", [{"sourceId": "a"}, {"_id": ID}])
def test_nothing_is_sent_or_looked_up_once_the_run_is_to_end(make_processor, client, keys):
    processor = make_processor()
    processor.stop()
    with pytest.raises(StoppedError):
        processor.process(Batch(records={"tasks": [entry(0, keys)]}))
    assert client.log == []


def test_once_the_run_is_to_end_no_further_call_is_made(make_processor, client, report):
    processor = make_processor()
    gone = [PendingRecord(n, STREAM, Deletion({"_id": ID}, None), message(n)) for n in (1, 2)]
    client.after_delete = processor.stop
    batch = Batch(records={"tasks": [entry(0), *gone, entry(3)]}, states=[(2, "a"), (3, "b")])
    with pytest.raises(StoppedError):
        processor.process(batch)
    assert client.log == [("tasks", ["s0"]), ("delete", ID), ("state", "a")]
    assert (report.total(OutcomeKind.CREATED), report.total(OutcomeKind.DELETED)) == (1, 1)


def test_skipped_records_are_counted(make_processor, report):
    make_processor().process(Batch(skipped={STREAM: 3}))
    assert report.total(OutcomeKind.SKIPPED) == 3


def test_state_stops_before_a_pending_record_and_the_run_goes_on(make_processor, client, report):
    bad = {"bad": True}
    client.manners.all_or_nothing = True
    entries = [entry(n, **(bad if n % 2 else {})) for n in range(2000)]
    batch = Batch(records={"tasks": entries}, states=[(0, "before"), (2000, "behind")])
    processor = make_processor()
    processor.process(batch)
    processor.process(Batch(records={"tasks": [entry(2000)]}, states=[(2001, "end")]))
    assert states(client) == ["before"]
    known = sum(report.total(kind) for kind in OutcomeKind)
    assert 1 < known < 2001
    assert processor.pending == 2001 - known


def test_what_the_reject_file_does_not_take_does_not_count_as_rejected(
    make_processor, client, report
):
    rejects = Rejects(client.log)

    def full():
        raise RejectFileError

    processor = make_processor(rejects=rejects)
    processor.process(Batch(records={"tasks": [entry(0, bad=True)]}, states=[(1, "a")]))
    rejects.flush = full
    with pytest.raises(RejectFileError):
        processor.process(Batch(records={"tasks": [entry(1, bad=True)]}, states=[(2, "b")]))
    assert report.total(OutcomeKind.REJECTED) == 1
    assert states(client) == ["a"]
