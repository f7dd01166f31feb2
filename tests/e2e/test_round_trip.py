"""A tenant read and written back onto itself: `tap-planhat | target-planhat`."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample
from planhat_sandbox.tenant.tenant import Tenant

MOVING = {"createdAt", "updatedAt"}
"""Planhat may set these anew, or at last, though nothing else changes."""


@pytest.fixture
def planhat(tenancy):
    tenant = Tenant()
    sample.fill(tenant, datetime.now(timezone.utc))
    with tenancy(tenant) as found:
        yield found


def records(planhat, name):
    return {
        row["_id"]: {key: value for key, value in row.items() if key not in MOVING}
        for row in planhat.rows(name)
    }


COLUMNS = {"custom_fields": "typed", "flattening_enabled": True, "flattening_max_depth": 1}
"""Custom fields in columns of their own."""


@pytest.mark.parametrize("settings", [{}, COLUMNS])
def test_a_tenant_written_back_onto_itself_stays_as_it_was(planhat, pipeline, settings):
    before = {name: records(planhat, name) for name in RESOURCES}
    tap = ("tap-planhat", {**planhat.config(), **settings})
    run = pipeline.run(tap, ("target-planhat", planhat.config()))
    assert run.tap_code == 0, run.tap_log
    assert run.code == 0, run.log
    for name in RESOURCES:
        assert records(planhat, name) == before[name], name
        # What moves to the list's end by being written is read again there.
        assert run.outcomes[name]["read"] >= len(before[name])
        assert run.outcomes[name].keys() == {"read", "unchanged"}
