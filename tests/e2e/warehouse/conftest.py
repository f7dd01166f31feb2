"""tap-planhat into a PostgreSQL warehouse by meltanolabs-target-postgres."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from planhat_api.sandbox import demo
from planhat_api.sandbox.options import Options
from planhat_api.sandbox.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime.now(timezone.utc)
ROWS = 300
PAGE = 20
SCHEMA = "planhat"


@dataclass
class Extraction:
    """tap-planhat into target-postgres: from a tenant into a database."""

    pipeline: Any
    planhat: Any
    database: Any
    catalog: Callable[[str], Any]
    state: Any = None
    """Of the run before."""
    rows: ClassVar[int] = ROWS
    page: ClassVar[int] = PAGE
    schema: ClassVar[str] = SCHEMA

    def table(self, name):
        """Return the rows of a table of the warehouse."""
        return self.database.rows(f"{SCHEMA}.{name}")

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


@pytest.fixture
def new_tenant():
    """Makes the tenant as it was before anything changed."""
    return tenant
