"""Planhat into a PostgreSQL warehouse, by meltanolabs-target-postgres, and from there back."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from planhat_api.resources import RESOURCES, Kind
from planhat_api.sandbox import demo
from planhat_api.sandbox.options import Options
from planhat_api.sandbox.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime.now(timezone.utc)
ROWS = 300
PAGE = 20
DELETED = 15
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
DELETIONS = [{"resource": name, "every": 0, "delete": DELETED} for name in RESOURCES]


@dataclass
class Extraction:
    """tap-planhat into target-postgres: from a tenant into a database."""

    pipeline: Any
    planhat: Any
    database: Any
    catalog: Callable[[str], Any]
    state: Any = None
    """Of the run before."""

    def start(self, method="INCREMENTAL", **settings):
        config = self.planhat.config(page_size=PAGE, parallel_requests=1, retry_timeout=0)
        activate = method == "FULL_TABLE"
        return self.pipeline.start(
            ("tap-planhat", config | {"emit_activate_version_messages": activate}),
            (
                "target-postgres",
                {**self.database.config, "default_target_schema": SCHEMA, **settings},
            ),
            catalog=self.catalog(method),
            state=self.state,
        )

    def __call__(self, method="INCREMENTAL", **settings):
        run = self.pipeline.wait(*self.start(method, **settings))
        assert (run.tap_code, run.code) == (0, 0), run.tap_log + run.log
        self.state = run.state
        return run

    def fails(self, stream, calls, method="INCREMENTAL", **settings):
        """Have Planhat fail after so many calls for a stream."""
        fault = {"method": "GET", "resource": stream, "status": 500, "count": None}
        self.planhat.ask("faults", {**fault, "skip": calls})
        run = self.pipeline.wait(*self.start(method, **settings))
        self.planhat.ask("reset", {})
        assert (run.tap_code, run.code) == (1, 0), run.tap_log + run.log
        self.state = run.state

    def is_killed(self, stream, calls, victim):
        """Kill the tap, or the target, after so many calls for a stream."""
        self.planhat.ask("reset", {})
        processes = self.start()
        deadline = time.monotonic() + 60
        while self.planhat.ask("stats")["calls"].get(f"GET {stream}", 0) < calls:
            assert time.monotonic() < deadline, "the stream is never read"
            time.sleep(0.005)
        processes[victim].popen.kill()
        run = self.pipeline.wait(*processes)
        assert (run.tap_code, run.code)[victim] == -9
        # target-postgres keeps its STATE to itself where a line breaks off.
        self.state = run.state or self.state


def tenant():
    """Return a tenant with records, the same one each time."""
    made = Tenant(Options(timestamps=True, latency_ms=5))
    demo.fill(made, NOW, rows=ROWS)
    return made


@pytest.fixture(scope="module")
def catalog(pipeline_in, tmp_path_factory):
    """Makes a catalog by the replication method of all streams."""
    pipeline = pipeline_in(tmp_path_factory.mktemp("discovery"))
    discovered = pipeline.catalog("tap-planhat", {"api_token": "none"})

    def make(method):
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


@pytest.fixture(scope="module")
def first_runs(tenancy, postgres, pipeline_in, catalog, tmp_path_factory):
    """Makes the first run by a method, once: returns the warehouse and the state after it."""
    made = {}

    def make(method):
        if method not in made:
            with tenancy(tenant()) as planhat:
                pipeline = pipeline_in(tmp_path_factory.mktemp(method))
                run = Extraction(pipeline, planhat, postgres.database(), catalog)
                run(method)
            made[method] = run.database, run.state
        return made[method]

    return make


@pytest.fixture
def begun(request, first_runs):
    """The warehouse and the state that a test begins with: none, or those of a first run."""
    method = getattr(request, "param", None)
    return first_runs(method) if method else (None, None)


@pytest.fixture
def extraction(begun, tenancy, postgres, pipeline, catalog):
    """A tenant and a warehouse."""
    warehouse, state = begun
    with tenancy(tenant()) as planhat:
        yield Extraction(pipeline, planhat, postgres.database(warehouse), catalog, state)


@pytest.fixture
def planhat(extraction):
    return extraction.planhat


@pytest.fixture
def database(extraction):
    return extraction.database


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


def after(method):
    """Begin the test behind the first run by this method."""
    return pytest.mark.parametrize("begun", [method], indirect=True)


@after("INCREMENTAL")
def test_the_warehouse_equals_the_tenant_after_the_first_and_each_incremental_run(
    extraction, database, planhat
):
    assert_equal(database, planhat)
    for _ in range(2):
        planhat.ask("changes", CHANGES)
        run = extraction()
        assert_equal(database, planhat)
        assert reads(run) < ROWS


def test_a_first_run_that_fails_goes_on_where_the_warehouse_left_off(extraction, database, planhat):
    extraction.fails("tasks", 9)
    assert len(warehouse(database, "campaigns")) == ROWS
    assert 0 < len(warehouse(database, "tasks")) < ROWS
    planhat.ask("changes", CHANGES)
    run = extraction()
    assert_equal(database, planhat)
    assert reads(run) < 2 * ROWS


@pytest.mark.parametrize("victim", [0, 1], ids=["tap", "target"])
@after("INCREMENTAL")
def test_a_killed_run_loses_nothing(extraction, database, planhat, victim):
    planhat.ask("changes", CHANGES)
    extraction.is_killed("conversations", 1, victim)
    extraction()
    assert_equal(database, planhat)


@pytest.mark.parametrize("hard_delete", [True, False])
@after("FULL_TABLE")
def test_reading_the_full_table_removes_from_the_warehouse_what_is_gone(
    extraction, database, planhat, hard_delete
):
    planhat.ask("changes", DELETIONS + CHANGES)
    extraction("FULL_TABLE", hard_delete=hard_delete)
    assert_equal(database, planhat)
    for name in RESOURCES:
        gone = len(database.rows(f"{SCHEMA}.{name}")) - len(planhat.rows(name))
        assert gone == (0 if hard_delete else DELETED)


@after("FULL_TABLE")
def test_a_full_reading_that_fails_removes_nothing_and_its_resumption_what_is_gone(
    extraction, database, planhat
):
    before = {name: warehouse(database, name).keys() for name in RESOURCES}
    planhat.ask("changes", DELETIONS)
    extraction.fails("conversations", 8, "FULL_TABLE", hard_delete=True)
    left = {name: warehouse(database, name).keys() for name in RESOURCES}
    # campaigns had been read to its end.
    assert left.pop("campaigns") == {row["_id"] for row in planhat.rows("campaigns")}
    assert left == {name: before[name] for name in left}
    run = extraction("FULL_TABLE", hard_delete=True)
    assert_equal(database, planhat)
    assert reads(run) < 4 * (ROWS - DELETED) - 5 * PAGE
