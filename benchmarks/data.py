"""Rows to read and records to write: those of the sandbox's sample tenant, about 1 KB each."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timezone
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson

from planhat_api.resources import TASKS
from planhat_api.schema import json_schema
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions, TaskDates
from planhat_sandbox.tenant.tenant import Tenant

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
STATE_EVERY = 10_000
"""Records between two STATE messages."""
_VARIANTS = 5_000
"""Records that differ in more than their key."""
_UPDATED = re.compile(rb'"updatedAt":"([^"]+)"')


def _made(resource: str, count: int) -> list[bytes]:
    tenant = Tenant(SandboxOptions(task_dates=TaskDates.ALL))
    counts = dict.fromkeys(sample.ROWS, 0) | {resource: count}
    sample.fill(tenant, NOW, rows=counts)
    return list(tenant.tables[resource].rows.values())


def task_lists(count: int) -> tuple[list[bytes], list[bytes]]:
    """Return encoded tasks that are not archived and that are, each by `updatedAt`."""
    rows = _made("tasks", count)
    rows.sort(key=lambda row: _UPDATED.search(row)[1])  # type: ignore[index]
    archived = b'"isArchived":true'
    return (
        [row for row in rows if archived not in row],
        [row for row in rows if archived in row],
    )


def conversation_list(count: int) -> list[bytes]:
    """Return encoded conversations by `_id`."""
    return _made("conversations", count)


def write_records(path: Path, count: int) -> None:
    """Write a file as the tap would of another tenant: tasks, found by `sourceId`, not `_id`."""
    records = [orjson.loads(row) for row in _made("tasks", min(count, _VARIANTS))]
    for record in records:
        del record["_id"]
    schema: dict[str, Any] = json_schema(TASKS)
    del schema["properties"]["_id"]
    schema["required"] = ["sourceId"]
    head = {"type": "SCHEMA", "stream": "tasks", "schema": schema, "key_properties": ["sourceId"]}
    with path.open("wb") as file:
        file.write(orjson.dumps(head) + b"\n")
        for number, record in enumerate(islice(cycle(records), count), 1):
            record["sourceId"] = f"bench-{number}"
            line = orjson.dumps({"type": "RECORD", "stream": "tasks", "record": record})
            file.write(line + b"\n")
            if number % STATE_EVERY == 0 or number == count:
                state = {"type": "STATE", "value": {"bookmarks": {"tasks": {"at": number}}}}
                file.write(orjson.dumps(state) + b"\n")


if __name__ == "__main__":
    write_records(Path(sys.argv[1]), int(sys.argv[2]))
