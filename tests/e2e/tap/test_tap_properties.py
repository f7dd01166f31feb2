"""Nothing that Planhat returns is dropped, and custom fields become columns with their types."""

from __future__ import annotations

import json

import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Company, CustomField, Tenant

COMPANY = "60df26bfa259250cba9cf816"
UNKNOWN = {"mood": {"now": ["good", None, 1.5]}, "isUrgent": False, "Ärger": "ü\u2028"}
CUSTOM = {"Seats": 12, "Renewal": "2027-01-01T00:00:00.000Z", "Tags": ["a"], "Key account": True}
TYPED = dict.fromkeys(("Key account", "Renewal", "Seats", "Tags"))
KINDS = {"Seats": "number", "Renewal": "date", "Tags": "multipicklist", "Key account": "checkbox"}


def task(number, **more):
    stamp = f"2026-01-{number % 28 + 1:02d}T00:00:00.000Z"
    return {
        "_id": f"61f1ab0e2c1d3a0011aa{number:04x}",
        "companyId": COMPANY,
        "action": f"Task {number}",
        "isArchived": number % 2 == 1,
        "createdAt": stamp,
        "updatedAt": stamp,
        **more,
    }


@pytest.fixture
def tenant():
    tenant = Tenant(SandboxOptions())
    tenant.add_company(Company(COMPANY, "Acme"))
    tenant.custom_fields += [
        CustomField(name, kind, model) for name, kind in KINDS.items() for model in ("task", "nps")
    ]
    return tenant


@pytest.fixture
def put(tenant):
    def put(*rows):
        for row in rows:
            tenant.tables["tasks"].put(row)

    return put


@pytest.fixture
def sandbox(tenant):
    with running(tenant) as sandbox:
        yield sandbox


def by_id(run):
    return {record["_id"]: record for record in run.records("tasks")}


@pytest.mark.parametrize("selected", [None, {"action", "other"}], ids=["all", "some columns"])
def test_unknown_properties_are_in_other_value_for_value_and_null_where_there_are_none(
    tap, sandbox, put, selected
):
    # Only an old row has them, which no look at the newest would show.
    put(task(0, **UNKNOWN), *map(task, range(1, 60)))
    catalog = tap.catalog("tasks", properties={"tasks": selected} if selected else None)
    records = by_id(tap.reads(sandbox, catalog=catalog))
    assert records.pop(task(0)["_id"])["other"] == UNKNOWN
    assert len(records) == 59
    assert {record.get("other") for record in records.values()} == {None}


@pytest.mark.parametrize(("mode", "code"), [("drop", 0), ("fail", 1)])
def test_unknown_properties_are_dropped_or_end_the_stream_where_that_is_asked_for(
    tap, sandbox, put, mode, code
):
    put(task(0), task(2, **UNKNOWN))
    run = tap(sandbox, "tasks", unknown_properties=mode)
    assert run.code == code
    assert "'mood'" in run.err
    assert "Traceback" not in run.err
    assert all(not record.get("other") for record in run.records("tasks"))


def test_without_typed_discovery_calls_nothing(tap, sandbox):
    run = tap(sandbox, options=["--discover"])
    assert run.code == 0
    assert not sandbox.control.calls


def discovered(tap, sandbox, **settings):
    run = tap(sandbox, options=["--discover"], custom_fields="typed", **settings)
    assert run.code == 0, run.err
    catalog = json.loads(run.out)
    for entry in catalog["streams"]:
        entry["selected"] = entry["tap_stream_id"] == "tasks"
        for item in entry["metadata"]:
            item["metadata"]["selected"] = entry["selected"]
    return catalog, run.err


def fields(catalog, stream="tasks"):
    (entry,) = (each for each in catalog["streams"] if each["tap_stream_id"] == stream)
    return entry["schema"]["properties"]["custom"].get("properties", {})


def test_defined_custom_fields_are_announced_with_their_types(tap, sandbox):
    catalog, _ = discovered(tap, sandbox)
    expected = {
        "Key account": {"type": ["boolean", "null"]},
        "Renewal": {"type": ["string", "null"], "format": "date-time"},
        "Seats": {"type": ["number", "null"]},
        "Tags": {"type": ["array", "null"], "items": {}},
    }
    assert fields(catalog) == fields(catalog, "nps") == expected
    assert fields(catalog, "campaigns") == {}
    assert [call.resource for call in sandbox.control.calls] == ["customfields"]


@pytest.mark.parametrize(
    "fault",
    [{"status": 403}, {"status": 404}, {"status": 200, "text": "<html>"}],
    ids=["refused", "missing", "HTML"],
)
def test_where_definitions_cannot_be_read_rows_tell_the_types_and_one_line_says_so(
    tap, sandbox, put, fault
):
    put(*(task(number, custom=CUSTOM) for number in range(4)))
    sandbox.control.faults.add({"resource": "customfields", "count": None, **fault})
    catalog, log = discovered(tap, sandbox)
    types = {name: schema["type"][0] for name, schema in fields(catalog).items()}
    assert types == {
        "Key account": "boolean",
        "Renewal": "string",
        "Seats": "number",
        "Tags": "array",
    }
    assert log.count("newest and oldest rows") == 1
    assert "Traceback" not in log


def test_discovery_ends_soon_where_planhat_cannot_be_reached(tap):
    run = tap("http://127.0.0.1:9", options=["--discover"], custom_fields="typed", retry_timeout=1)
    assert run.code == 1
    assert "Check region or api_url" in run.complaint
    assert "Traceback" not in run.err


def test_a_row_keeps_what_its_typed_columns_cannot_hold(tap, sandbox, put):
    odd = {"Seats": "many", "Renewal": "soon", "New": {"a": 1}, "Tags": ["a"]}
    put(task(0, custom=CUSTOM), task(1, custom=odd, **UNKNOWN), task(2), task(3, custom=None))
    catalog, _ = discovered(tap, sandbox)
    records = by_id(tap.reads(sandbox, catalog=catalog))
    assert records[task(0)["_id"]]["custom"] == CUSTOM
    assert not records[task(0)["_id"]].get("other")
    assert records[task(1)["_id"]]["custom"] == {**TYPED, "Tags": ["a"]}
    kept = {name: odd[name] for name in ("Seats", "Renewal", "New")}
    assert records[task(1)["_id"]]["other"] == {**UNKNOWN, "custom": kept}
    for number in (2, 3):
        assert records[task(number)["_id"]]["custom"] == TYPED


def test_types_stay_those_of_the_catalog_until_discovery_runs_again(tap, sandbox, tenant, put):
    catalog, _ = discovered(tap, sandbox)
    tenant.custom_fields[:] = [
        CustomField("Seats", "text", "task"),
        CustomField("Added", "number", "task"),
    ]
    put(task(0, custom={"Seats": "a dozen", "Added": 5}))
    sandbox.control.clear()
    (record,) = tap.reads(sandbox, catalog=catalog, custom_fields="typed").records("tasks")
    assert record["custom"] == TYPED
    assert record["other"] == {"custom": {"Seats": "a dozen", "Added": 5}}
    assert {call.resource for call in sandbox.control.calls} == {"tasks"}

    renewed, _ = discovered(tap, sandbox)
    (record,) = tap.reads(sandbox, catalog=renewed).records("tasks")
    assert record["custom"] == {"Seats": "a dozen", "Added": 5}
    assert not record.get("other")


def test_a_custom_field_that_is_not_selected_is_nowhere(tap, sandbox, put):
    put(task(0, custom=CUSTOM))
    catalog, _ = discovered(tap, sandbox)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if item["breadcrumb"][-1:] == ["Seats"]:
                item["metadata"]["selected"] = False
    run = tap.reads(sandbox, catalog=catalog)
    (record,) = run.records("tasks")
    assert record["custom"] == {name: CUSTOM[name] for name in CUSTOM if name != "Seats"}
    assert not record.get("other")
    (schema,) = run.of("SCHEMA")
    assert "Seats" not in schema["schema"]["properties"]["custom"].get("properties", {})


@pytest.mark.parametrize("depth", [1, 2])
def test_flattened_every_typed_field_is_a_column_of_every_record(tap, sandbox, put, depth):
    put(task(0, custom=CUSTOM), task(1), task(2, custom={"Seats": "many"}))
    catalog, _ = discovered(tap, sandbox)
    flat = {"flattening_enabled": True, "flattening_max_depth": depth}
    run = tap.reads(sandbox, catalog=catalog, **flat)
    (schema,) = run.of("SCHEMA")
    announced = schema["schema"]["properties"]
    columns = {f"custom__{name}" for name in TYPED}
    assert columns <= announced.keys()
    assert announced["custom__Seats"]["type"] == ["number", "null"]
    records = by_id(run)
    for record in records.values():
        assert columns <= record.keys() <= announced.keys()
    assert records[task(0)["_id"]]["custom__Seats"] == CUSTOM["Seats"]
    other = records[task(2)["_id"]]["other"]
    assert json.loads(other) == {"custom": {"Seats": "many"}}


def test_a_stream_that_the_token_may_not_read_does_not_keep_the_others_from_discovery(
    tap, sandbox, put
):
    put(task(0, custom=CUSTOM))
    for name in ("customfields", "nps"):
        sandbox.control.faults.add({"resource": name, "count": None, "status": 403})
    catalog, log = discovered(tap, sandbox)
    assert fields(catalog).keys() == CUSTOM.keys()
    assert fields(catalog, "nps") == {}
    assert "GET /nps" in log


def test_every_stream_announces_other(tap, sandbox):
    run = tap.reads(sandbox)
    announced = {each["stream"]: each["schema"]["properties"] for each in run.of("SCHEMA")}
    assert announced.keys() == RESOURCES.keys()
    assert all("other" in properties for properties in announced.values())
