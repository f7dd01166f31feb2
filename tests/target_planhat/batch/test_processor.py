from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest

from planhat_api import errors
from planhat_api.client import UpsertResponse
from target_planhat.batch.collector import Batch, PendingRecord
from target_planhat.batch.processor import BatchProcessor
from target_planhat.errors import StoppedError
from target_planhat.item import Deletion
from target_planhat.outcome import OutcomeKind, rejected
from target_planhat.report.figures import Report
from target_planhat.upsert.pack import Pack, Packed

SCHEMA = {"type": "SCHEMA", "stream": "raw", "schema": {}}


class SINK:
    stream = "tasks"
    origin = SimpleNamespace(schema=SCHEMA)


ID = "5f1b7a9e1a2b3c4d5e6f7a01"


class Client:
    """Writes everything but what is `bad`; counts calls; may be down for a resource."""

    def __init__(self):
        self.log = []
        self.down = set()
        self.after_delete = lambda: None

    def bulk_upsert(self, resource, body, **_):
        items = orjson.loads(body)
        self.log.append((resource.name, [item["sourceId"] for item in items]))
        if resource.name in self.down:
            raise errors.UnreachableError(f"PUT {resource.path}", "down")
        bad = [{"message": "bad", "sourceId": i["sourceId"]} for i in items if i.get("bad")]
        status = 206 if bad else 200
        return UpsertResponse(status, {"created": len(items) - len(bad), "createdErrors": bad})

    def get(self, resource, key, **_):
        self.log.append(("get", resource.name, key))

    def list_rows(self, resource, *_, **__):
        self.log.append(("list", resource.name))
        return []

    def delete(self, _, record_id):
        self.log.append(("delete", record_id))
        self.after_delete()
        return True


class Rejects:
    """Takes note of the order of things."""

    def __init__(self, log):
        self.log = log

    def add(self, schema, record, *_):
        assert schema is SCHEMA
        self.log.append(("reject", record["n"]))

    def flush(self):
        self.log.append(("flush",))


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def report():
    return Report()


@pytest.fixture
def make_settler(client, report):
    def make(*, rejects=None, dry_run=False):
        return BatchProcessor(
            client,
            report,
            rejects,
            lambda state: client.log.append(("state", state)),
            batch_size=5000,
            max_body=8_000_000,
            retry_timeout=0,
            dry_run=dry_run,
        )

    return make


def entry(position, keys=None, **more):
    keys = keys or {"sourceId": f"s{position}"}
    pack = Pack()
    place = pack.add({**keys, **more}, message(position))
    pack.seal()
    return PendingRecord(position, SINK, Packed(pack, place, keys, None))


def message(position):
    return b'{"type":"RECORD","record":{"n":%d}}\n' % position


def states(client):
    return [event[1] for event in client.log if event[0] == "state"]


def test_the_last_state_comes_out_behind_its_records(make_settler, client):
    load = Batch(batches={"tasks": [entry(0), entry(1)]}, states=[(1, "a"), (2, "b")])
    make_settler().settle(load)
    assert client.log == [("tasks", ["s0", "s1"]), ("state", "b")]


def test_rejects_are_on_the_disk_before_state_passes_them(make_settler, client):
    load = Batch(batches={"tasks": [entry(0, bad=True), entry(1)]}, states=[(2, "a")])
    load.refused.append(PendingRecord(2, SINK, rejected("no"), message(2)))
    make_settler(rejects=Rejects(client.log)).settle(load)
    assert client.log == [
        ("reject", 2),
        ("tasks", ["s0", "s1"]),
        ("reject", 0),
        ("flush",),
        ("state", "a"),
    ]


def test_a_reject_keeps_every_digit_of_its_record(make_settler, client):
    many = 10**24 + 1
    load = Batch(refused=[PendingRecord(0, SINK, rejected("bad"), message(many))])
    make_settler(rejects=Rejects(client.log)).settle(load)
    assert client.log[0] == ("reject", many)


def test_without_a_reject_file_state_stops_before_the_reject_for_good(make_settler, client, report):
    settler = make_settler()
    settler.settle(
        Batch(
            batches={"tasks": [entry(0), entry(1, bad=True), entry(2)]},
            states=[(1, "before"), (2, "behind"), (3, "end")],
        )
    )
    settler.settle(Batch(batches={"tasks": [entry(3)]}, states=[(4, "next")]))
    assert states(client) == ["before"]
    assert report.total(OutcomeKind.CREATED) == 3


def test_a_refused_record_holds_state_back_too(make_settler, client):
    load = Batch(
        refused=[PendingRecord(0, SINK, rejected("no"), message(0))],
        states=[(0, "before"), (1, "behind")],
    )
    make_settler().settle(load)
    assert states(client) == ["before"]


def test_an_error_lets_state_out_up_to_the_first_open_record(make_settler, client, report):
    client.down.add("nps")
    load = Batch(
        batches={
            "tasks": [entry(0), entry(3)],
            "nps": [entry(1), entry(2)],
            "campaigns": [entry(4)],
        },
        states=[(1, "a"), (3, "b"), (5, "c")],
    )
    with pytest.raises(errors.UnreachableError):
        make_settler().settle(load)
    assert [event[0] for event in client.log] == ["tasks", "nps", "state"]
    assert states(client) == ["a"]
    assert report.total(OutcomeKind.CREATED) == 2


def test_writes_and_deletions_keep_their_order(make_settler, client):
    gone = PendingRecord(1, SINK, Deletion({"_id": ID}, None), message(1))
    make_settler().settle(Batch(batches={"tasks": [entry(0), gone, entry(2)]}))
    assert client.log == [("tasks", ["s0"]), ("delete", ID), ("tasks", ["s2"])]


def test_a_dry_run_calls_nobody_and_lets_no_state_out(make_settler, client, report):
    gone = PendingRecord(1, SINK, Deletion({"_id": ID}, None), message(1))
    load = Batch(batches={"tasks": [entry(0), gone]}, states=[(0, "a"), (2, "b")])
    make_settler(dry_run=True).settle(load)
    assert client.log == []
    assert report.total(OutcomeKind.SKIPPED) == 2


def test_a_lone_id_is_looked_up_before_it_is_sent_but_not_in_a_dry_run(make_settler, client):
    load = Batch(batches={"tasks": [entry(0, {"_id": ID})]})
    make_settler(dry_run=True).settle(load)
    assert client.log == []
    make_settler().settle(load)
    assert client.log == [("get", "tasks", ID), ("list", "tasks")]


@pytest.mark.parametrize("keys", [{"sourceId": "a"}, {"_id": ID}])
def test_nothing_is_sent_or_looked_up_once_the_run_is_to_end(make_settler, client, keys):
    settler = make_settler()
    settler.stop()
    with pytest.raises(StoppedError):
        settler.settle(Batch(batches={"tasks": [entry(0, keys)]}))
    assert client.log == []


def test_once_the_run_is_to_end_no_further_call_is_made(make_settler, client, report):
    settler = make_settler()
    gone = [PendingRecord(n, SINK, Deletion({"_id": ID}, None), message(n)) for n in (1, 2)]
    client.after_delete = settler.stop
    load = Batch(batches={"tasks": [entry(0), *gone, entry(3)]}, states=[(2, "a"), (3, "b")])
    with pytest.raises(StoppedError):
        settler.settle(load)
    assert client.log == [("tasks", ["s0"]), ("delete", ID), ("state", "a")]
    assert (report.total(OutcomeKind.CREATED), report.total(OutcomeKind.DELETED)) == (1, 1)


def test_skipped_records_are_counted(make_settler, report):
    make_settler().settle(Batch(skipped={SINK: 3}))
    assert report.total(OutcomeKind.SKIPPED) == 3
