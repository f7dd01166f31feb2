"""A tenant that several runs share, each with companies, a STATE and a budget of its own."""

from __future__ import annotations

import orjson
import pytest

from planhat_api.resources import RESOURCES

ROWS = 240


@pytest.fixture
def groups(tenant):
    """The tenant's companies in groups, one of them small."""
    ids = sorted(tenant.companies)
    return [ids[:1], *(ids[start::2] for start in (1, 2))]


class Warehouse:
    """What one run, or several that share the tenant, have brought in."""

    def __init__(self, pipeline, planhat, groups):
        self._pipeline = pipeline
        self._config = planhat.config(page_size=50)
        self._groups = groups
        self._states = [None] * len(groups)
        self.rows = {name: {} for name in RESOURCES}

    def load(self):
        """Run the tap once for each group; return how many records came, by stream."""
        counts = dict.fromkeys(RESOURCES, 0)
        for number, group in enumerate(self._groups):
            config = {**self._config, **({"company_ids": group} if group else {})}
            run = self._pipeline.extract("tap-planhat", config, state=self._states[number])
            assert run.code == 0, run.log
            self._states[number] = run.state
            for line in run.out.splitlines():
                message = orjson.loads(line)
                if message["type"] == "RECORD":
                    counts[message["stream"]] += 1
                    record = message["record"]
                    self.rows[message["stream"]][record["_id"]] = record
        return counts


@pytest.fixture
def whole(pipeline, planhat):
    return Warehouse(pipeline, planhat, [None])


@pytest.fixture
def split(pipeline, planhat, groups):
    return Warehouse(pipeline, planhat, groups)


def test_runs_that_share_a_tenant_by_companies_bring_what_one_run_brings(whole, split, planhat):
    first = whole.load()
    assert split.load() == first
    assert all(first.values())
    assert split.rows == whole.rows
    for name in RESOURCES:
        edits = {"update": 5, "archive": 5, "reopen": 2} if name == "tasks" else {}
        planhat.ask("changes", {"resource": name, "every": 0, "insert": 30, **edits})
    second = whole.load()
    shared = split.load()
    assert split.rows == whole.rows
    assert {name: len(rows) for name, rows in split.rows.items()} == dict.fromkeys(
        RESOURCES, ROWS + 30
    )
    # Each part looks back from its own newest row, so a little more comes twice.
    assert all(30 <= second[name] <= shared[name] < ROWS for name in RESOURCES)
