"""The map of the docs that repeats deletions in a second tenant."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from planhat_sandbox.tenant.tenant import Company

PAGE = Path(__file__).parents[3] / "docs" / "incremental.md"


def shown():
    """Return the settings that the page shows for the target."""
    (block,) = (
        part.split("```")[0]
        for part in PAGE.read_text().split("```yaml\n")[1:]
        if "target-planhat" in part.split("```")[0]
    )
    return yaml.safe_load(block)["plugins"]["loaders"][0]["config"]


def lines():
    text = {"type": "string"}
    schema = {"properties": {"stream": text, "_id": text, "deleted_before": text}}
    key = ["stream", "_id"]
    yield {"type": "SCHEMA", "stream": "deletions", "key_properties": key, "schema": schema}
    for stream, number in (("tasks", 1), ("nps", 2), ("tasks", 3)):
        gone = {"stream": stream, "_id": f"{number:024x}", "deleted_before": "2026-01-02T00:00:00Z"}
        yield {"type": "RECORD", "stream": "deletions", "record": gone}


def test_the_map_shown_deletes_the_tasks_that_are_named_and_nothing_else(planhat, target):
    columns = {name: {"type": "string"} for name in ("sourceId", "companyId", "action")}
    company = planhat.add_company(Company("610000000000000000000000", "Acme"))
    made = [{"type": "SCHEMA", "stream": "tasks", "schema": {"properties": columns}}]
    for number in range(5):
        task = {"sourceId": f"{number:024x}", "companyId": company.id, "action": "Call"}
        made.append({"type": "RECORD", "stream": "tasks", "record": task})
    target.run(encoded(made))
    run = target.run(encoded(lines()), **shown())
    assert run.code == 0
    assert run.figures == {"deletions": {"read": 3, "deleted": 2, "skipped": 1}}
    assert sorted(planhat.by_source_id()) == [f"{number:024x}" for number in (0, 2, 4)]


def encoded(messages):
    return "".join(json.dumps(each) + "\n" for each in messages).encode()
