"""The DAG of the documentation, run by Airflow itself."""

from __future__ import annotations

from datetime import datetime, timezone

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_api.sandbox import demo
from planhat_api.sandbox.tenant import Tenant

ROWS = 60
GRANTED = 200
"""Calls a minute that Planhat grants a tenant."""


@pytest.fixture
def tenant():
    made = Tenant()
    demo.fill(made, datetime.now(timezone.utc), rows=ROWS)
    return made


@pytest.fixture
def planhat(tenant, tenancy):
    with tenancy(tenant) as running:
        yield running


def test_airflow_reads_a_tenant_in_parts_and_then_what_is_new(tenant, planhat, project, dag_runs):
    ids = sorted(tenant.companies)
    config = planhat.config()
    run = dag_runs(
        AIRFLOW_VAR_PLANHAT_GROUPS=orjson.dumps({"north": ids[:20], "south": ids[20:]}).decode(),
        TAP_PLANHAT_API_URL=config["api_url"],
        TAP_PLANHAT_API_TOKEN=config["api_token"],
    )
    state, parallel, log = run()
    assert state == "success", log
    budgets, first = _loaded(project)
    assert len(budgets) == 3
    assert all(parallel * int(budget) <= GRANTED for budget in budgets)
    assert first == {(name, row["_id"]) for name in RESOURCES for row in planhat.rows(name)}
    for name in RESOURCES:
        planhat.ask("changes", {"resource": name, "every": 0, "insert": 5})
    state, _, log = run()
    assert state == "success", log
    _, second = _loaded(project)
    everything = {(name, row["_id"]) for name in RESOURCES for row in planhat.rows(name)}
    assert everything - first <= second
    assert len(second) < len(everything) / 2
    suffixes = {path.name.rpartition(":")[2] for path in (project / "states").iterdir()}
    assert suffixes == {"north", "south", "campaigns"}


def _loaded(project):
    """Return the budgets of the runs since it was last asked, and the keys of their records."""
    budgets, keys = [], set()
    for path in (project / "loaded").iterdir():
        budget, *lines = path.read_text().splitlines()
        budgets.append(budget)
        messages = [orjson.loads(line) for line in lines]
        keys |= {
            (message["stream"], message["record"]["_id"])
            for message in messages
            if message["type"] == "RECORD"
        }
        path.unlink()
    return budgets, keys
