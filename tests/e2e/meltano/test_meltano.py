"""`meltano run`, both ways, as someone who cloned the project would."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

import jsonschema
import meltano.schemas
import orjson
import pytest
import yaml

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample

ROOT = Path(__file__).parents[3]
MINE = yaml.safe_load((ROOT / "meltano.yml").read_text())
ROWS = 250
PAGE = {"TAP_PLANHAT_PAGE_SIZE": "100"}
"""So that a list takes several pages."""


def rows(tenant, name):
    return [orjson.loads(data) for data in tenant.tables[name].rows.values()]


@pytest.fixture
def tenant(tenant):
    """The tenant, with some hundred records of each kind."""
    sample.fill(tenant, datetime.now(timezone.utc), rows=ROWS)
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
