"""What is not selected is neither announced nor read, nor even asked for."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

ROWS = {"campaigns": 60, "nps": 60, "conversations": 60, "tasks": 90}
WANTED = {
    "campaigns": {"name", "custom"},
    "nps": {"score", "comment"},
    "conversations": {"subject", "users"},
    "tasks": {"action", "isArchived"},
}
# What is asked for all the same: the row's id and what it is read along.
NEEDED = {
    "campaigns": {"_id"},
    "nps": {"_id", "npsId", "npsDate", "dateAnswered"},
    "conversations": {"_id"},
    "tasks": {"_id", "updatedAt"},
}
KEYS = {"campaigns": "_id", "nps": "dateAnswered", "conversations": "_id", "tasks": "updatedAt"}


@pytest.fixture
def sandbox():
    tenant = Tenant(SandboxOptions())
    sample.fill(tenant, datetime.now(timezone.utc), rows=ROWS)
    with running(tenant) as sandbox:
        yield sandbox


def test_deselected_properties_are_nowhere_but_key_and_cursor_are_always_there(tap, sandbox):
    catalog = tap.catalog(properties=WANTED)
    first = tap.reads(sandbox, catalog=catalog, page_size=40)
    second = tap.reads(sandbox, catalog=catalog, state=first.state)
    for stream in RESOURCES:
        (schema,) = (each for each in first.of("SCHEMA") if each["stream"] == stream)
        names = set(schema["schema"]["properties"])
        assert names == WANTED[stream] | {"_id", KEYS[stream]}
        records = first.records(stream)
        assert len({record["_id"] for record in records}) == ROWS[stream]
        assert {name for record in records for name in record} == names
        # Undated tasks, those within the lookback, and the bookmark's own.
        assert len(second.ids(stream)) < ROWS[stream] / 2
    for call in sandbox.control.calls:
        wanted = WANTED[call.resource] | NEEDED[call.resource]
        if call.resource == "nps":
            wanted |= {"nps", "npsComment"}
        assert set(call.params["select"].split(",")) <= wanted
        assert NEEDED[call.resource] & {"_id", "npsId"} <= set(call.params["select"].split(","))


def test_deselected_streams_are_not_asked_for(tap, sandbox):
    run = tap.reads(sandbox, "nps")
    assert {call.resource for call in sandbox.control.calls} == {"nps"}
    assert {each["stream"] for each in run.of("SCHEMA")} == {"nps"}


def test_a_full_selection_gets_what_lists_leave_out_unless_it_is_selected(tap, sandbox):
    # The page's own list of conversations lacks properties that its records have.
    run = tap.reads(sandbox, "conversations")
    there = {name for data in map(dict, run.records("conversations")) for name in data}
    assert {"description", "snippet", "users"} <= there


def test_a_full_selection_gets_what_only_old_rows_hold_of_what_lists_leave_out(tap, odd):
    with odd(sparse=frozenset({"campaignPurpose"})) as server:
        rows = [{"_id": f"{n:024x}", "name": "Name", "custom": {}} for n in range(30)]
        rows[0]["campaignPurpose"] = "win back"
        server.rows = {"campaigns": rows}
        records = tap.reads(server, "campaigns").records("campaigns")
    found = {record["_id"]: record for record in records}
    assert found[f"{0:024x}"]["campaignPurpose"] == "win back"
