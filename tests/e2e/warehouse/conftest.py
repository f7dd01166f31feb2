"""Planhat into a warehouse by `meltano run`, and what the warehouse then holds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from planhat_api.resources import RESOURCES, Kind
from planhat_api.sandbox import demo, upsert
from planhat_api.sandbox.options import Options
from planhat_api.sandbox.tenant import Tenant

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(timezone.utc)
ROWS = 300
PAGE = 20
SCHEMA = "planhat"
HANGING = 60_000
"""Milliseconds: longer than any run."""


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
        self.project.is_killed(*blocks, once=self.warehouse.holds_some)
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
        """Return the records of a table by `_id`, without those marked as deleted."""
        rows = [row for row in self.warehouse.rows(name) if row["_sdc_deleted_at"] is None]
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


class Events:
    """What happens to the records of a tenant."""

    def __init__(self, planhat: Any, *, edits_are_dated: bool) -> None:
        self._planhat = planhat
        self._tenant = planhat.sandbox.tenant
        self._dated = edits_are_dated

    def happen(self):
        """Let everything happen that an incremental run sees."""
        edit = {"update": 20} if self._dated else {}
        self._change("campaigns", insert=5, **edit)
        self._change("conversations", insert=5, **(edit and {**edit, "archive": 5}))
        self._change("tasks", insert=5, update=20, archive=10, reopen=10)
        now = self._tenant.now()
        owner = next(iter(self._tenant.companies))
        mail = {"companyId": owner, "type": "email", "subject": "Offer", "updatedAt": now}
        written = "2016-10-04T09:30:00.000Z"
        self._load("conversations", {**mail, "date": written, "createDate": written})
        answer = self._planhat.rows("nps")[0]
        again = {"email": answer["email"], "score": 9, "comment": "Again", "dateAnswered": now}
        upsert.bulk(self._tenant, RESOURCES["nps"], [again])
        undated = next(row for row in self._planhat.rows("tasks") if "updatedAt" not in row)
        self._load("tasks", {**undated, "action": "Edited, and still without a date"})
        self._load("tasks", {"companyId": owner, "action": "New, and dateless too"})

    def pass_unseen(self):
        """Let happen what nothing tells an incremental run of."""
        self._change("nps", update=20)
        if not self._dated:
            self._change("campaigns", update=20)
            self._change("conversations", update=20, archive=5)

    def delete(self, count):
        """Remove so many records of each resource."""
        for name in RESOURCES:
            self._change(name, delete=count)

    def _change(self, name, **kinds):
        self._planhat.ask("changes", {"resource": name, "every": 0, **kinds})

    def _load(self, name, row):
        self._planhat.ask(f"load/{name}", row)


def tenant():
    """Return a tenant with records, the same one each time."""
    made = Tenant(Options(timestamps=True, latency_ms=5))
    demo.fill(made, NOW, rows=ROWS)
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
    project.configure("target-duckdb", batch_size_rows=50)
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
        config={
            **database.config,
            "default_target_schema": SCHEMA,
            "batch_size_rows": 50,
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
    return lambda **given: Events(planhat, **given)


@pytest.fixture
def rows():
    """How many records the tenant has of each resource."""
    return ROWS


@pytest.fixture
def second(tenancy):
    """Another tenant with the same companies and people, and no records."""
    first = tenant()
    made = Tenant(Options(steady=True, timestamps=True, seed=2))
    for company in first.companies.values():
        made.add_company(company)
    for contact in first.contact_ids.values():
        made.add_contact(contact)
    made.users.update(first.users)
    with tenancy(made) as running:
        yield running
