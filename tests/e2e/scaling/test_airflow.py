"""The DAG of the documentation, run by Airflow itself."""

from __future__ import annotations

import orjson

from planhat_api.resources import RESOURCES

ROWS = 60
GRANTED = 200
"""Calls a minute that Planhat grants a tenant."""


def _keys(planhat):
    return {(name, row["_id"]) for name in RESOURCES for row in planhat.rows(name)}


def test_airflow_reads_a_tenant_in_parts_that_go_on_at_the_same_time(
    tenant, planhat, project, airflow
):
    ids = sorted(tenant.companies)
    config = planhat.config()
    access = {
        "TAP_PLANHAT_API_URL": config["api_url"],
        "TAP_PLANHAT_API_TOKEN": config["api_token"],
    }
    groups = orjson.dumps({"north": ids[:20], "south": ids[20:]}).decode()
    parallel = project.airflow(airflow, **access, AIRFLOW_VAR_PLANHAT_GROUPS=groups)
    first = project.loaded()
    parts = [load.variables for load in first]
    assert {part["PART"] for part in parts} == {"north", "south", "campaigns"}
    budgets = [int(part["TAP_PLANHAT_REQUESTS_PER_MINUTE"]) for part in parts]
    assert all(parallel * budget <= GRANTED for budget in budgets)
    before = _keys(planhat)
    assert frozenset().union(*(load.keys for load in first)) == before
    assert sum(len(load.keys) for load in first) == len(before)
    for name in RESOURCES:
        planhat.ask("changes", {"resource": name, "every": 0, "insert": 5})
    project.at_once(parts, **access)
    second = project.loaded()
    everything = _keys(planhat)
    assert everything - before <= frozenset().union(*(load.keys for load in second))
    assert sum(len(load.keys) for load in second) < len(everything) / 2
    # Nothing of a run stands where another would write over it.
    assert not (project.folder / ".meltano" / "run").exists()
