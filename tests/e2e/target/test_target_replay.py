"""`target-planhat --replay FILE`: what is still rejected stays in the file, all else leaves it."""

from __future__ import annotations

import fcntl
import json
import stat
import time

import pytest

from planhat_sandbox.tenant.tenant import Company


def kept(path):
    """The ids of the records in a reject file."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines[0]["type"] == "SCHEMA"
    return [line["record"]["id"] for line in lines if line["type"] == "RECORD"]


@pytest.fixture
def rejects(target, singer):
    """Makes a reject file of tasks that Planhat does not take for want of their company."""

    def make(count, **more):
        tasks = [singer.task(n, companyId=f"extid-x-{n % 2}", **more) for n in range(count)]
        target.run([singer.schema, *tasks], rejects_path="r", max_rejects=count)
        path = target.folder / "r"
        assert sorted(kept(path)) == list(range(count))
        return path

    return make


def add(planhat, number):
    planhat.add_company(Company(f"6100000000000000000000{number:02d}", "Acme", f"x-{number}"))


def test_what_is_written_leaves_the_file_and_what_is_still_rejected_stays(planhat, target, rejects):
    path = rejects(6)
    before = path.read_bytes()
    add(planhat, 0)
    run = target.replay("r", batch_size_rows=2)
    assert run.code == 3
    assert f"feed {path.name}" in run.complaint
    assert run.figures == {"tasks": {"read": 6, "created": 3, "rejected": 3}}
    assert sorted(kept(path)) == [1, 3, 5]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() != before
    add(planhat, 1)
    run = target.replay("r", rejects_path="r")
    assert (run.code, run.figures) == (0, {"tasks": {"read": 3, "created": 3}})
    assert not path.exists()
    assert planhat.by_source_id().keys() == {f"tasks:{n}" for n in range(6)}
    assert [one.name for one in target.folder.iterdir()] == ["config.json"]


@pytest.mark.parametrize("calls", [1, 3, 6])
def test_a_kill_in_the_middle_loses_nothing_and_doubles_nothing(planhat, target, rejects, calls):
    path = rejects(30)
    add(planhat, 0)
    planhat.fault(delay_ms=30, method="PUT", count=None)
    before = len(planhat.calls("PUT"))
    process = target.start(arguments=["--replay", "r"], batch_size_rows=4)
    deadline = time.monotonic() + 90
    while len(planhat.calls("PUT")) - before < calls and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=60)
    while planhat.control.log.in_flight:
        time.sleep(0.01)
    written = {int(key.partition(":")[2]) for key in planhat.by_source_id()}
    assert written | set(kept(path)) == set(range(30))
    run = target.replay("r", max_rejects=30)
    assert run.code == 0
    assert sorted(kept(path)) == list(range(1, 30, 2))
    assert planhat.by_source_id().keys() == {f"tasks:{n}" for n in range(0, 30, 2)}


def test_where_planhat_is_down_every_record_stays(planhat, target, rejects):
    path = rejects(6)
    planhat.fault(status=401, body={"error": "Unauthorized"}, count=None)
    run = target.replay("r", batch_size_rows=2)
    assert run.code == 1
    assert sorted(kept(path)) == list(range(6))


def test_a_dry_run_leaves_the_file_as_it_is(planhat, target, rejects):
    path = rejects(3)
    before = path.read_bytes()
    add(planhat, 0)
    assert target.replay("r", dry_run=True).code == 0
    assert path.read_bytes() == before
    assert planhat.rows("tasks") == []


def test_a_file_that_cannot_be_replayed_is_told_and_stays(target, rejects):
    assert "no such file" in target.replay("none").complaint
    other = target.folder / "other"
    other.write_bytes(b"hello\n")
    run = target.replay("other")
    assert run.code == 1
    assert "other cannot be replayed: it is not a reject file" in run.complaint
    assert other.read_bytes() == b"hello\n"
    path = rejects(2)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another run is writing to it" in target.replay("r").complaint
    assert len(kept(path)) == 2


def test_a_line_that_somebody_spoiled_ends_the_replay_and_stays_with_what_follows(
    planhat, target, rejects
):
    path = rejects(4)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], b"spoiled", *lines[3:]]) + b"\n")
    add(planhat, 0)
    run = target.replay("r", max_rejects=4)
    assert run.code == 1
    assert "input line 4" in run.complaint
    assert b"\nspoiled\n" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b"spoiled\n", b""))
    written = {int(key.partition(":")[2]) for key in planhat.by_source_id()}
    assert written | set(kept(path)) == {0, 1, 2, 3}


def test_a_record_of_which_a_newer_version_was_loaded_is_not_overwritten_where_that_shows(
    planhat, target, singer
):
    def load(action, **more):
        return [singer.schema, singer.task(1, action=action, **more)]

    target.run(load("first"))
    target.run(load("second", companyId="extid-x-0"), rejects_path="r", max_rejects=1)
    target.run(load("third"))
    add(planhat, 0)
    run = target.replay("r", compare="tenant")
    assert run.code == 3
    assert "has changed in Planhat since" in run.err
    assert kept(target.folder / "r") == [1]
    assert planhat.by_source_id()["tasks:1"]["action"] == "third"
    assert target.replay("r").code == 0
    assert planhat.by_source_id()["tasks:1"]["action"] == "second"


def test_a_record_that_did_not_change_since_is_replayed_with_compare_too(planhat, target, singer):
    target.run([singer.schema, singer.task(1, action="first")])
    second = singer.task(1, action="second", companyId="extid-x-0")
    target.run([singer.schema, second], rejects_path="r", max_rejects=1)
    add(planhat, 0)
    assert target.replay("r", compare="tenant").code == 0
    assert planhat.by_source_id()["tasks:1"]["action"] == "second"
    assert not (target.folder / "r").exists()
