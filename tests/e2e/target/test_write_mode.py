"""`write_mode`: what Planhat has is updated only, or what it has not created only."""

from __future__ import annotations

import time

import orjson
import pytest

SCHEMA = {
    "type": "SCHEMA",
    "stream": "tasks",
    "key_properties": ["sourceId"],
    "schema": {
        "properties": {
            "sourceId": {"type": "string"},
            "companyId": {"type": "string"},
            "action": {"type": ["string", "null"]},
            "score": {},
        }
    },
}


def task(key, company, **more):
    row = {"sourceId": key, "companyId": company, "action": "New", **more}
    return {"type": "RECORD", "stream": "tasks", "record": row}


@pytest.fixture
def known(planhat, singer):
    """Key -> `_id` of ten tasks that Planhat has."""
    ids = {}
    for number in range(10):
        ids[f"k-{number}"] = planhat.control.tenant.new_id()
        planhat.control.tenant.tables["tasks"].put(
            {
                "_id": ids[f"k-{number}"],
                "sourceId": f"k-{number}",
                "companyId": singer.company,
                "action": "Old",
            }
        )
    return ids


def test_update_only_leaves_out_what_planhat_does_not_have(
    planhat, target, singer, known, tmp_path
):
    messages = [SCHEMA, *(task(f"k-{n}", singer.company) for n in range(8, 13)), singer.state(1)]
    report = tmp_path / "report.jsonl"
    run = target.run(messages, write_mode="update_only", report_path=str(report))
    assert run.code == 0, run.err
    assert run.figures == {"tasks": {"read": 5, "updated": 2, "skipped": 3}}
    assert run.states == [{"at": 1}]
    rows = planhat.by_source_id()
    assert rows.keys() == known.keys()
    assert {key for key, row in rows.items() if row["action"] == "New"} == {"k-8", "k-9"}
    lines = [orjson.loads(line) for line in report.read_bytes().splitlines()]
    assert lines[0]["_id"] == known["k-8"]
    assert lines[2]["reason"] == "write_mode is update_only, and Planhat has no such task."


def test_create_only_leaves_alone_what_planhat_has(planhat, target, singer, known):
    messages = [SCHEMA, *(task(f"k-{n}", singer.company) for n in range(8, 13))]
    run = target.run([*messages, messages[-1]], write_mode="create_only", batch_size_rows=5)
    assert run.code == 0, run.err
    assert run.figures == {"tasks": {"read": 6, "created": 3, "skipped": 3}}
    assert {row["action"] for key, row in planhat.by_source_id().items() if key in known} == {"Old"}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("mode", ["update_only", "create_only"])
def test_a_dry_run_says_what_the_mode_leaves_out(planhat, target, singer, mode):
    messages = [SCHEMA, *(task(f"k-{n}", singer.company) for n in range(8, 13))]
    told = [
        target.run(messages, write_mode=mode, compare="tenant", dry_run=dry).figures
        for dry in (True, False)
    ]
    assert told[0] == told[1]
    assert len(planhat.calls("PUT")) == 1


@pytest.mark.parametrize(("seed", "bad"), [(1, 0), (2, 0), (3, 2), (4, 2), (5, 2)])
def test_update_only_notices_that_somebody_deleted_a_record_meanwhile(
    planhat, target, singer, known, *, seed, bad
):
    planhat.control.tenant.rng.seed(seed)
    planhat.fault(method="PUT", delay_ms=2500, count=1)
    failing = [task(f"k-{8 - n}", "5f1b7a9e1a2b3c4d5e6f7fff") for n in range(bad)]
    messages = [SCHEMA, task("k-9", singer.company), task("k-1", singer.company), *failing]
    process = target.start(write_mode="update_only", rejects_path="rejects", max_rejects=9)
    process.stdin.write(singer.encoded([*messages, singer.state(1)]))
    process.stdin.close()
    process.stdin = None
    waiting_for_put(planhat)
    planhat.control.tenant.tables["tasks"].remove(known["k-9"])
    out, err = process.communicate(timeout=100)
    err = err.decode()
    assert process.returncode == 3, err
    made = planhat.by_source_id()["k-9"]["_id"]
    last = err.strip().splitlines()[-1]
    assert "write_mode is update_only, but somebody changed Planhat" in last
    assert made in last or "not named in Planhat's answer" in last
    assert figures(err) == {"read": 2 + bad, "created": 1, "updated": 1, "rejected": bad}
    assert [orjson.loads(line) for line in out.splitlines()] == [{"at": 1}]


@pytest.mark.parametrize("seed", range(3))
def test_create_only_notices_that_somebody_created_a_record_meanwhile(
    planhat, target, singer, seed
):
    planhat.control.tenant.rng.seed(seed)
    planhat.fault(method="PUT", delay_ms=2500, count=1)
    process = target.start(write_mode="create_only")
    messages = [SCHEMA, task("a", singer.company), task("b", singer.company)]
    process.stdin.write(singer.encoded(messages))
    process.stdin.close()
    process.stdin = None
    waiting_for_put(planhat)
    record_id = planhat.control.tenant.new_id()
    row = {"_id": record_id, "sourceId": "b", "companyId": singer.company, "action": "Theirs"}
    planhat.control.tenant.tables["tasks"].put(row)
    _, err = process.communicate(timeout=100)
    err = err.decode()
    assert process.returncode == 3, err
    last = err.strip().splitlines()[-1]
    assert "write_mode is create_only, but somebody changed Planhat" in last
    assert record_id in last or "not named" in last
    assert figures(err) == {"read": 2, "created": 1, "updated": 1, "rejected": 0}


def test_a_mode_that_cannot_be_kept_for_a_key_ends_the_run_before_the_first_write(
    planhat, target, singer
):
    planhat.control.tenant.tables["tasks"].put(
        {"_id": planhat.control.tenant.new_id(), "companyId": singer.company}
    )
    for mode in ("update_only", "create_only"):
        run = target.run([SCHEMA, task("a", singer.company)], write_mode=mode)
        assert run.code == 1
        assert "no task that Planhat lists carries sourceId" in run.complaint
        assert run.figures == {"tasks": {"read": 1, "pending": 1}}
    assert not planhat.calls("PUT")


def test_an_empty_tenant_takes_everything_that_is_created_only(target, singer):
    messages = [SCHEMA, *(task(f"k-{n}", singer.company) for n in range(5))]
    run = target.run(messages, write_mode="create_only", batch_size_rows=2)
    assert run.figures == {"tasks": {"read": 5, "created": 5}}


def waiting_for_put(planhat):
    """Wait until the target has read and its PUT is on its way."""
    deadline = time.monotonic() + 90
    seen = -1
    while time.monotonic() < deadline:
        gets = len(planhat.calls("GET"))
        if gets == seen and gets and planhat.control.log.in_flight:
            # Nothing but a call that is delayed takes so long.
            time.sleep(0.3)
            if len(planhat.calls("GET")) == gets and planhat.control.log.in_flight:
                return
        seen = gets
        time.sleep(0.2)
    raise AssertionError


def figures(err):
    line = next(line for line in err.splitlines() if "METRIC: " in line)
    streams = orjson.loads(line.partition("METRIC: ")[2])["streams"]["tasks"]
    return {name: streams[name] for name in ("read", "created", "updated", "rejected")}
