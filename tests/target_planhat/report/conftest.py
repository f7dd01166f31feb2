"""Reports of runs that never were."""

from __future__ import annotations

import pytest

from target_planhat.report.changes import RecordReport


@pytest.fixture
def summary():
    """Makes what is known of a run at its end: `summary(tasks={"created": 2})`."""

    def make(*, dry_run=False, error="", **figures):
        return {
            "figures": {
                stream: {"read": sum(counts.values()), **counts}
                for stream, counts in figures.items()
            },
            "calls": {"GET /tasks": 9, "PUT /tasks": 1},
            "waits": {"retries": 1.5, "the rate limit": 0.0},
            "versions": {"singer-planhat": "1.2.3"},
            "settings": {"compare": "tenant", "write_mode": "upsert"},
            "host": "api-eu2.planhat.com",
            "ended": "2026-11-27T01:02:03+00:00",
            "seconds": 12,
            "dry_run": dry_run,
            "error": error,
        }

    return make


@pytest.fixture
def record():
    """Makes what a report says of a record."""

    def make(number=1, outcome="updated", stream="tasks", reason="", record_id=None, **changes):
        return RecordReport(stream, {"id": number}, record_id, outcome, changes, reason)

    return make
