"""One tenant read by the tap and written by the target, again and again: it comes to rest."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample
from planhat_sandbox.tenant.tenant import Tenant

SIZES = {"campaigns": 60, "nps": 80, "conversations": 120, "tasks": 200}


@pytest.fixture
def planhat(tenancy):
    tenant = Tenant()
    sample.fill(tenant, datetime.now(timezone.utc))
    for name, size in SIZES.items():
        table = tenant.tables[name]
        for record_id in list(table.rows)[size:]:
            table.remove(record_id)
    with tenancy(tenant) as found:
        yield found


def puts(planhat):
    calls = planhat.ask("stats")["calls"]
    return sum(count for call, count in calls.items() if call.startswith("PUT"))


def test_nothing_is_written_any_more_once_both_sides_agree(planhat, pipeline):
    # What a warehouse adds on the way: the same each time, so that it settles.
    maps = {
        "tasks": {"action": "action if action.endswith('!') else action + '!'"},
        "campaigns": {"custom__Synced": "'yes'"},
    }
    target = ("target-planhat", planhat.config(compare="tenant", stream_maps=maps))
    tap = ("tap-planhat", planhat.config())
    first = pipeline.run(tap, target)
    assert first.code == 0, first.log
    assert first.outcomes["tasks"].get("updated", 0) > 100
    assert first.outcomes["campaigns"].get("updated", 0) == SIZES["campaigns"]
    assert set(first.outcomes["nps"]) == {"read", "unchanged"}
    assert set(first.outcomes["conversations"]) == {"read", "unchanged"}
    written, rows = puts(planhat), {name: planhat.rows(name) for name in RESOURCES}
    for _ in range(2):
        again = pipeline.run(tap, target)
        assert again.code == 0, again.log
        assert all(set(told) <= {"read", "unchanged"} for told in again.outcomes.values())
    assert puts(planhat) == written
    assert {name: planhat.rows(name) for name in RESOURCES} == rows
