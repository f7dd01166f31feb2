"""Planhat into a PostgreSQL warehouse, by meltanolabs-target-postgres, and from there back."""

from __future__ import annotations

import copy
import time
from datetime import datetime, timezone

import pytest

from planhat_api.resources import RESOURCES, Kind
from planhat_api.sandbox import demo
from planhat_api.sandbox.options import Options
from planhat_api.sandbox.tenant import Tenant

ROWS = 300
PAGE = 50
SCHEMA = "planhat"
OTHER_CHANGES = {"insert": 5, "update": 20}
CHANGES = [
    {"resource": "campaigns", "every": 0, **OTHER_CHANGES},
    {"resource": "conversations", "every": 0, "archive": 5, **OTHER_CHANGES},
    # Nothing tells when an answer was edited.
    {"resource": "nps", "every": 0, "insert": 5},
    {"resource": "tasks", "every": 0, "archive": 10, "reopen": 10, **OTHER_CHANGES},
]
"""What an incremental run sees: everything but deletions."""
DELETIONS = [{"resource": name, "every": 0, "delete": 15} for name in RESOURCES]


def tenant(**options):
    made = Tenant(Options(timestamps=True, **options))
    demo.fill(made, datetime.now(timezone.utc), rows=ROWS)
    return made


@pytest.fixture
def planhat(tenancy):
    with tenancy(tenant(latency_ms=5)) as running:
        yield running


@pytest.fixture(scope="session")
def discovered(pipeline_in, tmp_path_factory):
    pipeline = pipeline_in(tmp_path_factory.mktemp("discovery"))
    return pipeline.catalog("tap-planhat", {"api_token": "none"})


@pytest.fixture
def catalog(discovered):
    """Makes a catalog: how all streams are replicated."""

    def make(method="INCREMENTAL"):
        made = copy.deepcopy(discovered)
        for entry in made["streams"]:
            entry["replication_method"] = method
            if "updatedAt" in entry["schema"]["properties"]:
                entry["replication_key"] = "updatedAt"
            for item in entry["metadata"]:
                if not item["breadcrumb"]:
                    item["metadata"]["forced-replication-method"] = method
        return made

    return make


@pytest.fixture
def extraction(pipeline, planhat, database, catalog):
    """Runs tap-planhat into target-postgres."""

    class Extraction:
        def start(self, method="INCREMENTAL", state=None, **settings):
            config = planhat.config(page_size=PAGE, parallel_requests=1, retry_timeout=0)
            activate = method == "FULL_TABLE"
            return pipeline.start(
                ("tap-planhat", config | {"emit_activate_version_messages": activate}),
                (
                    "target-postgres",
                    {**database.config, "default_target_schema": SCHEMA, **settings},
                ),
                catalog=catalog(method),
                state=state,
            )

        def __call__(self, *args, **given):
            run = pipeline.wait(*self.start(*args, **given))
            assert (run.tap_code, run.code) == (0, 0), run.tap_log + run.log
            return run

        def fails(self, stream, calls, **given):
            """Have Planhat fail after so many calls for a stream."""
            fault = {"method": "GET", "resource": stream, "status": 500, "count": None}
            planhat.ask("faults", {**fault, "skip": calls})
            run = pipeline.wait(*self.start(**given))
            planhat.ask("reset", {})
            assert (run.tap_code, run.code) == (1, 0), run.tap_log + run.log
            return run

        def is_killed(self, stream, calls, victim):
            """Kill the tap, or the target, after so many calls for a stream."""
            planhat.ask("reset", {})
            processes = self.start()
            deadline = time.monotonic() + 60
            while planhat.ask("stats")["calls"].get(f"GET {stream}", 0) < calls:
                assert time.monotonic() < deadline, "the stream is never read"
                time.sleep(0.005)
            processes[victim].popen.kill()
            run = pipeline.wait(*processes)
            assert (run.tap_code, run.code)[victim] == -9
            return run

    return Extraction()


def instant(value):
    """Return a time as PostgreSQL or Planhat writes it in a form to compare."""
    whole, _, part = value.removesuffix("Z").partition(".")
    return f"{whole}.{part.ljust(6, '0')}"


def as_columns(row, resource):
    """Return a record as the warehouse should have it."""
    columns = {}
    for name, item in resource.properties.items():
        value = row.get(name)
        if item.kind is Kind.DATE and value is not None:
            value = instant(value)
        columns[name] = value
    return columns


def warehouse(database, name):
    """Return the rows of a table by `_id`, without those marked as deleted and the metadata."""
    found = [row for row in database.rows(f"{SCHEMA}.{name}") if row["_sdc_deleted_at"] is None]
    resource = RESOURCES[name]
    by_id = {row["_id"]: as_columns(row, resource) for row in found}
    assert len(by_id) == len(found)
    return by_id


def assert_equal(database, planhat):
    """Compare the warehouse with the tenant, row by row and value by value."""
    for name, resource in RESOURCES.items():
        expected = {row["_id"]: as_columns(row, resource) for row in planhat.rows(name)}
        if name == "nps":
            # Planhat's list never shows it.
            for row in expected.values():
                row["__v"] = None
        held = warehouse(database, name)
        assert held.keys() == expected.keys()
        for key, row in expected.items():
            assert held[key] == row


def reads(run):
    """Return how many records the tap wrote."""
    return sum(
        int(line.rsplit('"value":', 1)[1].split(",")[0])
        for line in run.tap_log.splitlines()
        if '"record_count"' in line
    )


def test_the_warehouse_equals_the_tenant_after_the_first_and_each_incremental_run(
    extraction, database, planhat
):
    first = extraction()
    assert_equal(database, planhat)
    assert reads(first) >= 4 * ROWS
    planhat.ask("changes", CHANGES)
    second = extraction(state=first.state)
    assert_equal(database, planhat)
    assert reads(second) < ROWS
    extraction(state=second.state)
    assert_equal(database, planhat)


def test_a_first_run_that_fails_goes_on_where_the_warehouse_left_off(extraction, database, planhat):
    broken = extraction.fails("tasks", 4)
    assert len(warehouse(database, "campaigns")) == ROWS
    assert 0 < len(warehouse(database, "tasks")) < ROWS
    planhat.ask("changes", CHANGES)
    resumed = extraction(state=broken.state)
    assert_equal(database, planhat)
    assert reads(resumed) < 2 * ROWS


@pytest.mark.parametrize("victim", [0, 1], ids=["tap", "target"])
def test_a_killed_run_loses_nothing(extraction, database, planhat, victim):
    first = extraction()
    planhat.ask("changes", CHANGES)
    killed = extraction.is_killed("conversations", 2, victim)
    extraction(state=killed.state or first.state)
    assert_equal(database, planhat)


@pytest.mark.parametrize("hard_delete", [True, False])
def test_reading_the_full_table_removes_from_the_warehouse_what_is_gone(
    extraction, database, planhat, hard_delete
):
    extraction("FULL_TABLE", hard_delete=hard_delete)
    planhat.ask("changes", DELETIONS + CHANGES)
    extraction("FULL_TABLE", hard_delete=hard_delete)
    assert_equal(database, planhat)
    for name in RESOURCES:
        gone = len(database.rows(f"{SCHEMA}.{name}")) - len(planhat.rows(name))
        assert gone == (0 if hard_delete else 15)


def test_a_full_reading_that_fails_removes_nothing_and_its_resumption_what_is_gone(
    extraction, database, planhat
):
    extraction("FULL_TABLE", hard_delete=True)
    before = {name: warehouse(database, name).keys() for name in RESOURCES}
    planhat.ask("changes", [{**change, "resource": "conversations"} for change in DELETIONS[:1]])
    broken = extraction.fails("conversations", 3, method="FULL_TABLE", hard_delete=True)
    for name in RESOURCES:
        assert warehouse(database, name).keys() >= before[name]
    resumed = extraction("FULL_TABLE", state=broken.state, hard_delete=True)
    assert reads(resumed) < 4 * ROWS - PAGE
    assert_equal(database, planhat)
    assert len(warehouse(database, "conversations")) == ROWS - 15
