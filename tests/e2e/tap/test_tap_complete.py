"""What there is comes out: all of it, as it is, whatever changes meanwhile."""

from __future__ import annotations

import urllib.request
from datetime import datetime, timedelta, timezone

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

ROWS = {"campaigns": 300, "nps": 400, "conversations": 400, "tasks": 1200}


def filled(**options):
    tenant = Tenant(SandboxOptions(**options))
    sample.fill(tenant, datetime.now(timezone.utc), rows=ROWS)
    return tenant


def dump(sandbox, name):
    with urllib.request.urlopen(f"{sandbox.url}/__sandbox/dump/{name}") as answer:
        return orjson.loads(answer.read())


def post(sandbox, path, body):
    data = orjson.dumps(body)
    with urllib.request.urlopen(f"{sandbox.url}/__sandbox/{path}", data=data) as answer:
        return orjson.loads(answer.read())


def without_nulls(row):
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("options", [{}, {"timestamps": True, "full_lists": True, "seed": 2}])
def test_a_first_run_gives_every_row_of_the_tenant_value_by_value(tap, options):
    with running(filled(**options)) as sandbox:
        run = tap.reads(sandbox)
        for name, resource in RESOURCES.items():
            expected = {row["_id"]: row for row in dump(sandbox, name)}
            records = {record["_id"]: record for record in run.records(name)}
            assert records.keys() == expected.keys()
            for key, row in expected.items():
                known = {n: v for n, v in row.items() if n in resource.properties}
                if name == "nps":
                    # Its lists never show it.
                    known.pop("__v", None)
                assert without_nulls(records[key]) == without_nulls(known)


def test_the_first_run_reaches_archived_tasks_and_answers_older_than_a_year(tap):
    with running(filled()) as sandbox:
        run = tap.reads(sandbox, "nps", "tasks")
    assert sum(record["isArchived"] for record in run.records("tasks")) > 500
    assert min(record["dateAnswered"] for record in run.records("nps")) < "2025"


@pytest.mark.parametrize(("parallel", "moves"), [(1, {"archive": 3}), (4, {"reopen": 3}), (4, {})])
def test_every_row_alive_throughout_is_read_while_others_come_go_and_change(tap, parallel, moves):
    with running(filled(latency_ms=3)) as sandbox:
        before = {name: {row["_id"] for row in dump(sandbox, name)} for name in RESOURCES}
        for name in RESOURCES:
            changes = {"resource": name, "insert": 3, "update": 5, "delete": 4}
            post(sandbox, "changes", changes | (moves if name == "tasks" else {}))
        run = tap.reads(sandbox, page_size=60, parallel_requests=parallel)
        for name in RESOURCES:
            alive = before[name] & {row["_id"] for row in dump(sandbox, name)}
            assert alive - set(run.ids(name)) == set()
            assert len(alive) < len(before[name])


def test_a_task_that_is_archived_and_reopened_again_and_again_is_seen_by_the_next_run(tap):
    with running(filled(latency_ms=3)) as sandbox:
        before = {row["_id"] for row in dump(sandbox, "tasks")}
        post(sandbox, "changes", {"resource": "tasks", "archive": 4, "reopen": 4})
        first = tap.reads(sandbox, "tasks", page_size=100)
        post(sandbox, "reset", {})
        second = tap.reads(sandbox, "tasks", page_size=100, state=first.state)
        assert before <= {*first.ids("tasks"), *second.ids("tasks")}


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_a_task_reopened_before_the_archive_is_read_comes_out_in_the_same_run(tap, odd, method):
    def date(minutes):
        moment = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    tasks = [
        {"_id": f"{n:024x}", "updatedAt": date(9000 - n), "isArchived": n % 2 == 0}
        for n in range(60)
    ]

    def reopen(_resource, query):
        if query["isArchived"] == "true" and tasks[20]["isArchived"]:
            tasks[20] |= {"isArchived": False, "updatedAt": date(0)}

    with odd() as server:
        server.rows = {"tasks": tasks}
        server.spoil = reopen
        run = tap.reads(server, catalog=tap.catalog("tasks", method=method))
    assert set(run.ids("tasks")) == {task["_id"] for task in tasks}


def test_pages_are_asked_for_ahead_as_far_as_parallel_requests_allows(tap):
    tenant = filled(latency_ms=30)
    with running(tenant) as sandbox:
        for parallel in (1, 3):
            post(sandbox, "reset", {})
            tap.reads(sandbox, "conversations", page_size=20, parallel_requests=parallel)
            assert sandbox.control.stats()["max_concurrent"] == parallel
