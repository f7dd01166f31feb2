"""What Planhat has is known before anything is written: `compare: tenant`, by the real command."""

from __future__ import annotations

import signal
import time

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.changes import Changes
from planhat_sandbox.tenant.tenant import Company, Tenant

OLD = "2026-01-01T00:00:00.000Z"


def schema(stream, keys, **types):
    properties = {name: {"type": [kind, "null"]} for name, kind in types.items()}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "key_properties": keys,
        "schema": {"type": "object", "properties": properties},
    }


TASKS = schema(
    "tasks",
    ["sourceId"],
    sourceId="string",
    companyId="string",
    action="string",
    startTime="string",
    ownerId="string",
    custom="object",
)


def record(stream, **values):
    return {"type": "RECORD", "stream": stream, "record": values}


def lines(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def by_outcome(path):
    """Return outcome -> keys of the records that ended so, of a report."""
    found = {}
    for line in lines(path)[:-1]:
        found.setdefault(line["outcome"], []).append(*line["key"].values())
    return found


@pytest.fixture
def steady(target):
    """A sandbox that gives complete answers, and the command that reaches it."""
    with running(Tenant(SandboxOptions(steady=True))) as sandbox:
        target.config["api_url"] = sandbox.url
        sandbox.tenant.add_company(
            Company("5f1b7a9e1a2b3c4d5e6f7a8b", "Acme", "c-1", "acc-1", ("acme.com",))
        )
        yield sandbox


def load(sandbox, resource, rows):
    for row in rows:
        sandbox.tenant.tables[resource].put({"_id": sandbox.tenant.new_id(), **row})


def held(sandbox, resource="tasks"):
    rows = map(orjson.loads, sandbox.tenant.tables[resource].rows.values())
    return {row.get("sourceId") or row["_id"]: row for row in rows}


def sent(sandbox, resource="tasks"):
    """Return how many items PUTs have held, as far as the sandbox has told."""
    return [
        call for call in sandbox.control.calls if call.method == "PUT" and call.resource == resource
    ]


def task(number, company, **more):
    return {
        "sourceId": f"s-{number}",
        "companyId": company,
        "action": f"Call {number}",
        "startTime": "2026-03-01T10:00:00.000Z",
        **more,
    }


def test_of_twenty_thousand_tasks_sent_again_only_the_changed_ones_are_written(
    steady, target, singer, tmp_path
):
    rows = [task(n, singer.company, updatedAt=OLD, isArchived=n % 2 == 0) for n in range(20_000)]
    load(steady, "tasks", rows)
    messages = [TASKS]
    for number in range(20_000):
        new = task(number, "extid-c-1" if number % 2 else singer.company.upper())
        new["startTime"] = "2026-03-01T12:00:00+02:00"
        if number % 100 == 0:
            new["action"] = f"Meet {number}"
        messages.append(record("tasks", **new))
    report = tmp_path / "report.jsonl"
    run = target.run([*messages, singer.state(1)], compare="tenant", report_path=str(report))
    assert run.code == 0, run.err
    assert run.figures == {"tasks": {"read": 20_000, "updated": 200, "unchanged": 19_800}}
    assert run.states == [{"at": 1}]
    after = held(steady)
    changed = {key for key, row in after.items() if row["updatedAt"] != OLD}
    assert changed == {f"s-{number}" for number in range(0, 20_000, 100)}
    gets = [call for call in steady.control.calls if call.method == "GET"]
    assert len(gets) <= 12
    assert len(lines(report)) == 20_001
    [first] = [line for line in lines(report) if line.get("key") == {"sourceId": "s-100"}]
    assert first == {
        "stream": "tasks",
        "key": {"sourceId": "s-100"},
        "_id": after["s-100"]["_id"],
        "outcome": "updated",
        "changes": {"action": ["Call 100", "Meet 100"]},
        "reason": "",
    }


def test_a_dry_run_names_exactly_what_the_real_run_then_does(steady, target, singer, tmp_path):
    company = singer.company
    load(steady, "tasks", [task(n, company) for n in range(50)])
    twins = steady.tenant.new_id()
    load(steady, "tasks", [{"_id": twins, "sourceId": "twin", "companyId": company}])
    ids = [row["_id"] for row in held(steady).values()]
    messages = [
        TASKS,
        *(record("tasks", **task(n, company)) for n in range(40)),
        *(record("tasks", **task(n, company, action="New")) for n in range(40, 45)),
        *(record("tasks", **task(n, company)) for n in range(100, 110)),
        record("tasks", **task(105, company, action="Again")),
        record("tasks", **task(106, company)),
        record("tasks", **task(200, "extid-unheard-of")),
        record("tasks", sourceId="new-without-company", action="x"),
        schema("tasks", ["_id"], _id="string", sourceId="string", action="string"),
        record("tasks", _id=ids[0], sourceId="twin"),
        record("tasks", _id="000000000000000000000001", action="foreign"),
        record("tasks", _id=ids[1], action="By id"),
    ]
    before = held(steady)
    reports = {}
    for dry in (True, False):
        path = tmp_path / f"{dry}.jsonl"
        run = target.run(
            messages,
            compare="tenant",
            dry_run=dry,
            report_path=str(path),
            rejects_path=str(tmp_path / "rejects"),
            max_rejects=9,
        )
        assert run.code == 0, run.err
        reports[dry] = lines(path)
        if dry:
            assert held(steady) == before
            assert not sent(steady)
            assert run.states == []
    told = [[line["outcome"] for line in reports[dry][:-1]] for dry in (True, False)]
    assert told[0] == told[1]
    changes = [[line["changes"] for line in reports[dry][:-1]] for dry in (True, False)]
    assert changes[0] == changes[1]
    assert {one: told[0].count(one) for one in set(told[0])} == {
        "unchanged": 40,
        "updated": 6,
        "created": 10,
        "merged": 2,
        "rejected": 4,
    }
    [conflict] = [line for line in reports[True][:-1] if "more than one" in line["reason"]]
    assert twins in conflict["reason"]
    assert ids[0] in conflict["reason"]


CASES = {
    "campaigns": (
        {"name": "Spring", "campaignPurpose": "Grow", "sourceId": "a"},
        {"campaignPurpose": "Keep"},
    ),
    "nps": (
        {
            "email": "a@acme.com",
            "score": 9,
            "comment": "Fine",
            "dateAnswered": OLD,
            "sourceId": "a",
        },
        {"score": 3},
    ),
    "conversations": (
        {"subject": "Hi", "description": "long", "date": OLD, "externalId": "a", "type": "note"},
        {"description": "longer"},
    ),
    "tasks": ({"action": "Call", "sourceId": "a", "custom": {"Tier": 1}}, {"custom": {"Tier": 2}}),
}


@pytest.mark.parametrize("name", list(CASES))
def test_every_resource_is_compared_and_only_differences_are_written(steady, target, singer, name):
    first, change = CASES[name]
    resource = RESOURCES[name]
    first = first | {resource.company_property: singer.company}
    types = {key: {} for key in first}
    announced = {
        "type": "SCHEMA",
        "stream": name,
        "key_properties": [next(key for key in first if key.endswith("Id") and key[0] in "se")],
        "schema": {"properties": types},
    }

    def run(**more):
        return target.run([announced, record(name, **first, **more)], compare="tenant")

    assert run().figures == {name: {"read": 1, "created": 1}}
    puts = len(sent(steady, name))
    assert run().figures == {name: {"read": 1, "unchanged": 1}}
    assert len(sent(steady, name)) == puts
    first = first | change
    assert run().figures == {name: {"read": 1, "updated": 1}}
    assert run().figures == {name: {"read": 1, "unchanged": 1}}


def test_what_is_written_is_known_to_what_comes_after_it(steady, target, singer):
    messages = [TASKS]
    for _ in range(3):
        messages += [record("tasks", **task(n, singer.company)) for n in range(10)]
    load(steady, "tasks", [task(99, singer.company)])
    run = target.run(messages, compare="tenant", batch_size_rows=10)
    assert run.figures == {"tasks": {"read": 30, "created": 10, "unchanged": 20}}
    assert len(sent(steady)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "text": "<html>", "count": 3},
        {"drop": "within", "count": 3},
        {"short": 5, "count": 6},
        {"cap": 200, "count": None},
    ],
)
def test_faults_while_the_tenant_is_read_create_nothing_twice(planhat, target, singer, fault):
    planhat.control.tenant.learn([{"companyId": singer.company}])
    table = planhat.control.tenant.tables["tasks"]
    for number in range(1500):
        table.put({"_id": planhat.control.tenant.new_id(), **task(number, singer.company)})
    planhat.fault(resource="tasks", method="GET", **fault)
    messages = [TASKS, *(record("tasks", **task(n, singer.company)) for n in range(1500))]
    run = target.run(messages, compare="tenant", retry_timeout=30)
    assert run.figures == {"tasks": {"read": 1500, "unchanged": 1500}}
    assert len(planhat.by_source_id()) == 1500


def test_a_list_that_changes_while_it_is_read_creates_nothing_twice(planhat, target, singer):
    table = planhat.control.tenant.tables["tasks"]
    for number in range(3000):
        table.put({"_id": planhat.control.tenant.new_id(), **task(number, singer.company)})
    planhat.control.changes.append(
        Changes("tasks", every=1, count=12, insert=5, update=40, archive=100, reopen=100)
    )
    messages = [TASKS, *(record("tasks", **task(n, singer.company)) for n in range(3000))]
    run = target.run(messages, compare="tenant")
    assert run.code == 0, run.err
    keys = [row.get("sourceId") for row in planhat.rows("tasks")]
    assert all(keys.count(f"s-{number}") == 1 for number in range(0, 3000, 50))
    assert run.figures["tasks"].get("created", 0) == 0


def test_a_reading_that_proves_nothing_ends_the_run_before_the_first_write(planhat, target, singer):
    table = planhat.control.tenant.tables["tasks"]
    for number in range(3000):
        table.put({"_id": planhat.control.tenant.new_id(), **task(number, singer.company)})
    planhat.fault(resource="tasks", method="GET", ignore_sort=True, count=None)
    messages = [TASKS, record("tasks", **task(1, singer.company)), singer.state(1)]
    run = target.run(messages, compare="tenant")
    assert run.code == 1
    assert "GET /tasks" in run.complaint
    assert "Nothing was written" in run.complaint
    assert run.states == []
    assert run.figures == {"tasks": {"read": 1, "pending": 1}}
    assert not planhat.calls("PUT")


@pytest.mark.parametrize("setting", [{"compare": "tenant"}, {"write_mode": "update_only"}])
def test_a_resource_that_may_not_be_read_is_not_written(planhat, target, singer, setting):
    planhat.fault(resource="tasks", method="GET", deny=True, count=None)
    run = target.run([TASKS, record("tasks", **task(1, singer.company))], **setting)
    assert run.code == 1
    assert "The token may not read tasks" in run.complaint
    assert not planhat.calls("PUT")


def test_an_outcome_that_nobody_knows_is_forgotten(steady, target, singer):
    load(steady, "tasks", [task(1, singer.company), task(2, singer.company)])
    # The server fails on this one each time, but is up.
    bad = record("tasks", **task(1, singer.company, action="poison"))
    good = [record("tasks", **task(2, singer.company, action=f"n{n}")) for n in range(3)]
    for _ in range(60):
        steady.control.faults.add({"method": "PUT", "status": 500, "count": 1, "skip": 1})
    run = target.run([TASKS, good[0], bad, bad, good[1]], compare="tenant", batch_size_rows=1)
    assert run.figures["tasks"]["read"] == 4
    assert run.figures["tasks"].get("unchanged", 0) <= 1


def test_more_properties_than_were_announced_have_the_tenant_read_anew(steady, target, singer):
    load(steady, "tasks", [task(n, singer.company, description="d") for n in range(20)])
    few = schema("tasks", ["sourceId"], sourceId="string")
    messages = [few, *(record("tasks", sourceId=f"s-{n}") for n in range(10))]
    more = [record("tasks", sourceId=f"s-{n}", description="d") for n in range(10, 20)]
    run = target.run([*messages, *more], compare="tenant", batch_size_rows=10)
    assert run.figures == {"tasks": {"read": 20, "unchanged": 20}}


def test_reserved_types_are_let_through_where_the_record_is_there(steady, target, singer):
    known = {"externalId": "mail", "companyId": singer.company, "type": "email", "subject": "Hi"}
    load(steady, "conversations", [known])
    announced = {
        "type": "SCHEMA",
        "stream": "conversations",
        "key_properties": ["externalId"],
        "schema": {"properties": {name: {"type": "string"} for name in known}},
    }
    new = {**known, "externalId": "other"}
    changed = {**known, "subject": "Hello"}
    messages = [announced, record("conversations", **changed), record("conversations", **new)]
    for setting in ({"compare": "tenant"}, {"write_mode": "update_only"}):
        run = target.run(messages, max_rejects=5, **setting)
        figures = run.figures["conversations"]
        assert figures["read"] == 2
        assert figures.get("updated", 0) + figures.get("unchanged", 0) == 1
    run = target.run(messages, compare="tenant")
    assert run.code == 3
    assert "`type` 'email' is reserved" in run.err
    [row] = held(steady, "conversations").values()
    assert (row["type"], row["subject"]) == ("email", "Hello")


def test_a_deleted_record_is_created_again_when_it_comes_again(steady, target, singer):
    load(steady, "tasks", [task(1, singer.company), task(2, singer.company)])
    announced = {
        **TASKS,
        "schema": {"properties": {**TASKS["schema"]["properties"], "_sdc_deleted_at": {}}},
    }
    gone = record("tasks", **task(1, singer.company), _sdc_deleted_at=OLD)
    again = record("tasks", **task(1, singer.company))
    run = target.run([announced, again, gone, again], compare="tenant", hard_delete=True)
    assert run.figures == {"tasks": {"read": 3, "unchanged": 1, "deleted": 1, "created": 1}}


def test_sigterm_while_the_tenant_is_read_ends_the_run_in_order(planhat, target, singer):
    table = planhat.control.tenant.tables["tasks"]
    for number in range(300):
        table.put({"_id": planhat.control.tenant.new_id(), **task(number, singer.company)})
    planhat.fault(resource="tasks", method="GET", delay_ms=1500, count=None)
    process = target.start(compare="tenant", batch_size_rows=1)
    process.stdin.write(singer.encoded([TASKS, record("tasks", **task(1, singer.company))]))
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not planhat.control.log.in_flight and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert out == b""
    assert not planhat.calls("PUT")
