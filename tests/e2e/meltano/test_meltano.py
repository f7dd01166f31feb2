"""`meltano run`, both ways, as someone who cloned the project would."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import jsonschema
import meltano.schemas
import orjson
import pytest
import yaml

from planhat_api.resources import RESOURCES
from planhat_api.sandbox import demo, upsert

ROOT = Path(__file__).parents[3]
MINE = yaml.safe_load((ROOT / "meltano.yml").read_text())
IDS = "SELECT _id FROM planhat.{}"
ROWS = 250
PAGE = {"TAP_PLANHAT_PAGE_SIZE": "100"}
"""So that a list takes several pages."""


def ask(project, sql, *values):
    path = project.folder / "output" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql, values).fetchall()


def rows(tenant, name):
    return [orjson.loads(data) for data in tenant.tables[name].rows.values()]


@pytest.fixture
def tenant(tenant):
    """The tenant, with some hundred records of each kind."""
    demo.fill(tenant, datetime.now(timezone.utc), rows=ROWS)
    return tenant


@pytest.fixture
def tickets(project):
    """The help desk's file, without the records that cannot be written."""
    path = project.folder / "demo" / "tickets.jsonl"
    path.parent.mkdir()
    lines = (ROOT / "demo" / "tickets.jsonl").read_text().splitlines()
    path.write_text("\n".join(lines[at] for at in (0, 1, 4, 6)))
    return path


def test_the_project_file_is_what_meltano_says_it_should_be():
    path = Path(meltano.schemas.__file__).with_name("meltano.schema.json")
    jsonschema.validate(MINE, json.loads(path.read_text()))


def test_jobs_and_schedules_name_what_there_is():
    plugins = {item["name"] for kind in MINE["plugins"].values() for item in kind}
    jobs = {job["name"]: job["tasks"] for job in MINE["jobs"]}
    assert {name for tasks in jobs.values() for task in tasks for name in task.split()} == plugins
    assert {schedule["job"] for schedule in MINE["schedules"]} <= jobs.keys()


def test_a_job_fills_the_warehouse_with_typed_rows(project, tenant):
    run = project.run("run", "planhat-to-duckdb", **PAGE)
    assert run.code == 0, run.log
    for name in RESOURCES:
        wanted = {row["_id"] for row in rows(tenant, name)}
        assert {key for (key,) in ask(project, IDS.format(name))} == wanted
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?"
    kinds = dict(ask(project, columns, "tasks"))
    assert {name: kinds[name] for name in ("custom", "users", "updatedat", "isarchived")} == {
        "custom": "JSON",
        "users": "JSON",
        "updatedat": "TIMESTAMP",
        "isarchived": "BOOLEAN",
    }
    custom = dict(ask(project, "SELECT _id, custom FROM planhat.tasks"))
    for row in rows(tenant, "tasks"):
        assert json.loads(custom[row["_id"]]) == row["custom"]


def test_a_second_run_brings_only_what_is_new(project, tenant):
    assert project.run("run", "planhat-to-duckdb", **PAGE).code == 0
    mark = ask(project, "SELECT max(_sdc_batched_at) FROM planhat.tasks")[0][0]
    sent = {"sourceId": "new", "companyId": next(iter(tenant.companies)), "action": "Call"}
    upsert.bulk(tenant, RESOURCES["tasks"], [sent])
    run = project.run("run", "planhat-to-duckdb", **PAGE)
    assert run.code == 0, run.log
    came = "SELECT count(*) FROM planhat.{} WHERE _sdc_batched_at > ?"
    counts = {name: ask(project, came.format(name), mark)[0][0] for name in RESOURCES}
    assert ask(project, "SELECT count(*) FROM planhat.tasks WHERE sourceid = 'new'") == [(1,)]
    assert all(count < ROWS / 10 for count in counts.values()), counts


def test_a_job_writes_every_row_as_a_line_of_json(project, tenant):
    run = project.run("run", "planhat-to-jsonl", **PAGE)
    assert run.code == 0, run.log
    for name in RESOURCES:
        lines = (project.folder / "output" / f"{name}.jsonl").read_text().splitlines()
        assert {json.loads(line)["_id"] for line in lines} == {
            row["_id"] for row in rows(tenant, name)
        }


def test_another_systems_records_become_tasks_and_no_second_ones(project, tenant, tickets):
    first = project.run("run", "tickets-to-planhat")
    assert first.code == 0, first.log
    sent = [json.loads(line) for line in tickets.read_text().splitlines()]
    found = {row.get("sourceId"): row for row in rows(tenant, "tasks")}
    assert len(found) == len({*found, *(f"helpdesk-{ticket['ticket_no']}" for ticket in sent)})
    for ticket in sent:
        row = found[f"helpdesk-{ticket['ticket_no']}"]
        assert row["action"] == ticket["headline"]
        assert row["startTime"].startswith(ticket["opened"][:19])
        assert row["custom"] == {"Priority": ticket["priority"]}
        assert tenant.companies[row["companyId"]].external_id == ticket["account"]
    again = project.run("run", "--full-refresh", "tickets-to-planhat")
    assert again.code == 0, again.log
    assert "4 read = 0 created, 0 updated, 4 unchanged" in again.log
    assert len(tenant.tables["tasks"].rows) == ROWS + 4


def test_a_rejected_record_fails_the_job_and_no_other(project, tenant, tickets):
    shutil.copy(ROOT / "demo" / "tickets.jsonl", tickets)
    run = project.run("run", "tickets-to-planhat")
    assert run.code != 0
    assert "7 read = 4 created, 0 updated, 3 rejected" in run.log
    assert len(tenant.tables["tasks"].rows) == ROWS + 4


def test_a_wrong_token_fails_the_job_and_is_not_told(project):
    run = project.run("run", "planhat-to-jsonl", TAP_PLANHAT_API_TOKEN="wrong-1f0c77")
    assert run.code != 0
    assert "401" in run.log
    assert "region" in run.log
    assert "wrong-1f0c77" not in run.log


def test_meltano_shows_the_settings_without_the_token(project):
    run = project.run("config", "list", "--all", "tap-planhat")
    assert run.code == 0, run.log
    assert "TAP_PLANHAT_LOOKBACK_MINUTES" in run.log
    assert project.settings["TAP_PLANHAT_API_TOKEN"] not in run.log
