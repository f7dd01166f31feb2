"""Planhat into a warehouse by `meltano run`, and what the warehouse then holds."""

from __future__ import annotations

import json
import re
import runpy
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from planhat_api.resources import RESOURCES, Kind
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.tenant.tenant import Tenant

NOW = datetime.now(timezone.utc)
ROWS = 300
PAGE = 20
BATCH = 70
"""Rows that loaders write at once: no divisor of the others, so that some wait for more."""
SCHEMA = "planhat"
HANGING = 60_000
"""Milliseconds: longer than any run."""

_events = runpy.run_path(str(Path(__file__).with_name("events.py")))


@dataclass(frozen=True)
class DuckDb:
    """A DuckDB file."""

    path: Path
    loader = "target-duckdb"
    blank = None
    """What it makes of text that is empty."""
    keeps_state_amid_run = True

    def rows(self, name):
        """Return the rows of a table, by column."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            cursor = connection.execute(f"SELECT * FROM {SCHEMA}.{name}")  # noqa: S608
            columns = [column[0] for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def select(self, query):
        """Return the rows of a query, as tuples."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def apply(self, statements):
        """Run SQL in the schema of the tables."""
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(f"USE {SCHEMA}; {statements}")

    def holds_some(self, log):
        """Whether the loader has come to the last table, and written of those before it.

        Nobody else may open the file meanwhile.
        """
        return '"tasks"' in log


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL database."""

    database: Any
    loader = "target-postgres"
    blank = ""
    keeps_state_amid_run = False
    """It has none to tell before its input ends."""

    def rows(self, name):
        """Return the rows of a table, by column."""
        return self.database.rows(f"{SCHEMA}.{name}")

    def select(self, query):
        """Return the rows of a query, as tuples."""
        return [tuple(row.values()) for row in self.database.rows(f"({query})")]

    def apply(self, statements):
        """Run SQL in the schema of the tables."""
        self.database.run(f"SET search_path TO {SCHEMA}; {statements}")

    def holds_some(self, log):  # noqa: ARG002
        """Whether the loader has come to the last table, and written of those before it."""
        return self.database.run(f"SELECT to_regclass('{SCHEMA}.tasks') IS NOT NULL;") == "t\n"


@dataclass
class Loading:
    """`tap-planhat` into the loader of a warehouse."""

    project: Any
    planhat: Any
    warehouse: DuckDb | Postgres
    options: tuple[str, ...] = ()

    def __call__(self, *options):
        """Run it to its good end; return how many records were read."""
        blocks = ("tap-planhat", self.warehouse.loader)
        log = self.project.runs(*self.options, *options, *blocks)
        return sum(map(int, re.findall(r"metric_name=record_count metric_value=(\d+)", log)))

    def is_killed(self, stream, calls):
        """Kill Meltano and all it has started amid a stream, once the warehouse holds some."""
        hang = {"method": "GET", "resource": stream, "delay_ms": HANGING, "count": None}
        self.planhat.ask("faults", {**hang, "skip": calls})
        blocks = ("tap-planhat", self.warehouse.loader)
        self.project.is_killed(*self.options, *blocks, once=self.warehouse.holds_some)
        self.planhat.ask("reset", {})
        # Else Meltano waits five minutes for a run that has not told its end.
        self.options = ("--force",)

    def fails(self, stream, calls):
        """Have Planhat fail after so many calls for a stream."""
        fault = {"method": "GET", "resource": stream, "status": 500, "count": None}
        self.planhat.ask("faults", {**fault, "skip": calls})
        run = self.project.run("run", "tap-planhat", self.warehouse.loader)
        self.planhat.ask("reset", {})
        assert run.code == 1, run.log

    def held(self, name):
        """Return the records of a table by `_id`."""
        rows = self.warehouse.rows(name)
        found = {row["_id"]: as_record(row, RESOURCES[name]) for row in rows}
        assert len(found) == len(rows)
        return found

    def as_loaded(self, row, resource):
        """Return a record of the tenant as the warehouse should hold it."""
        record = {name: row.get(name) for name in resource.properties}
        for name, value in record.items():
            if value == "":
                record[name] = self.warehouse.blank
            elif value is not None and resource.properties[name].kind is Kind.DATE:
                # Columns of type timestamp, without a zone, hold UTC.
                assert value[-1] == "Z"
                record[name] = to_microseconds(value[:-1])
        if resource.name == "nps":
            # Planhat's list never shows it.
            record["__v"] = None
        return record

    def differences(self):
        """Return where tenant and warehouse differ: (resource, `_id`, there, here) of a record.

        Of a record that both have, only the properties that differ.
        """
        found = []
        for name, resource in RESOURCES.items():
            there = {row["_id"]: self.as_loaded(row, resource) for row in self.planhat.rows(name)}
            here = self.held(name)
            for key in there.keys() | here.keys():
                old, new = there.get(key, {}), here.get(key, {})
                if old != new:
                    both = [each for each in old if each in new and old[each] == new[each]]
                    found.append((name, key, without(old, both), without(new, both)))
        return found


def without(record, names):
    """Return a record without some properties."""
    return {name: value for name, value in record.items() if name not in names}


def as_record(row, resource):
    """Return a row of a warehouse with the names and values that Planhat gives them.

    Loaders fold the case of names, and keep what is nested as JSON.
    """
    folded = {column.lower(): value for column, value in row.items()}
    record = {}
    for name, item in resource.properties.items():
        value = folded[name.lower()]
        if value is not None and item.kind is Kind.DATE:
            text = value if isinstance(value, str) else value.isoformat()
            record[name] = to_microseconds(text)
        elif item.kind in {Kind.ARRAY, Kind.OBJECT} and isinstance(value, str):
            record[name] = json.loads(value)
        else:
            record[name] = value
    return record


def to_microseconds(moment):
    """Return the text of a time with six digits behind the second."""
    whole, _, part = moment.partition(".")
    return f"{whole}.{part.ljust(6, '0')}"


def tenant():
    """Return a tenant with records, the same one each time."""
    made = Tenant(SandboxOptions(timestamps=True, latency_ms=5))
    sample.fill(made, NOW, rows=ROWS)
    return made


@pytest.fixture
def planhat(tenancy):
    """A tenant with records."""
    with tenancy(tenant()) as running:
        yield running


@pytest.fixture
def project(project, planhat):
    """A Meltano project that reads it."""
    small = {"page_size": PAGE, "parallel_requests": 1, "retry_timeout": 0}
    project.reach("tap-planhat", planhat.sandbox.url, **small)
    return project


@pytest.fixture
def into_duckdb(project, planhat):
    """Loads the tenant into DuckDB."""
    project.configure("target-duckdb", batch_size_rows=BATCH, flush_all_streams=False)
    return Loading(project, planhat, DuckDb(project.folder / "output" / "warehouse.duckdb"))


@pytest.fixture
def postgres_warehouse(project, plugins, from_postgres, database):
    """A database that the project's target-postgres writes to and its tap-postgres reads."""
    from_postgres(database, SCHEMA)
    project.add(
        "loaders",
        "target-postgres",
        plugins("target-postgres"),
        capabilities=["activate-version", "hard-delete"],
        settings=[{"name": "sanitize_null_text_characters", "kind": "boolean"}],
        config={
            **database.config,
            "default_target_schema": SCHEMA,
            "batch_size_rows": BATCH,
            "hard_delete": True,
        },
    )
    return database


@pytest.fixture
def into_postgres(project, planhat, postgres_warehouse):
    """Loads the tenant into PostgreSQL."""
    return Loading(project, planhat, Postgres(postgres_warehouse))


@pytest.fixture
def events(planhat):
    """Lets things happen in the tenant: `events(edits_are_dated=True).happen()`."""
    return lambda **given: _events["Events"](planhat, **given)


@pytest.fixture
def rows():
    """How many records the tenant has of each resource."""
    return ROWS


@pytest.fixture
def second(tenancy):
    """Another tenant with the same companies and people, and no records."""
    first = tenant()
    made = Tenant(SandboxOptions(steady=True, timestamps=True, seed=2))
    made.adopt(first)
    with tenancy(made) as running:
        yield running
