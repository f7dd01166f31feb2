"""The recipes for stream maps: what comes in becomes what the page says."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Company, Tenant

EXAMPLE = re.compile(
    r"^In, from `([\w-]+)`:\n\n```json\n(.*?)\n```\n\n"
    r"In Planhat, among the (\w+):\n\n```json\n(.*?)\n```$",
    re.MULTILINE | re.DOTALL,
)
COMPANY = "6100000000000000000000a1"
TYPES = {int: "integer", float: "number", dict: "object", list: "array"}


@pytest.fixture
def tenant():
    """A tenant whose one company answers to every reference of the page."""
    made = Tenant(SandboxOptions(steady=True))
    made.add_company(Company(COMPANY, "North", "71", "acc-71"))
    made.add_company(Company("6100000000000000000000b2", "South", "72", "881"))
    return made


def _company(tenant, reference):
    kind, _, key = reference.partition("-")
    name = {"extid": "external_id", "srcid": "source_id"}[kind]
    return next(one.id for one in tenant.companies.values() if getattr(one, name) == key)


def _messages(stream, record):
    properties = {
        name: {"type": [TYPES.get(type(value), "string"), "null"]} for name, value in record.items()
    }
    # As everywhere on the page, the first column is the key.
    schema = {"stream": stream, "schema": {"properties": properties}}
    yield {"type": "SCHEMA", **schema, "key_properties": [next(iter(record))]}
    yield {"type": "RECORD", "stream": stream, "record": record}


def test_records_become_what_the_recipes_say(page_named, tenant, tmp_path, environment):
    page = page_named("docs/mapping.md")
    examples = EXAMPLE.findall(page.text)
    assert 2 * len(examples) == len(page.blocks("json"))
    maps, settings = {}, {}
    for block in page.blocks("yaml"):
        recipe = yaml.safe_load(block)
        maps |= recipe.pop("stream_maps")
        settings |= recipe
    sources = {stream_map.get("__source__", name) for name, stream_map in maps.items()}
    assert {stream for stream, *_ in examples} == sources
    lines = [
        json.dumps(message)
        for stream, record, *_ in examples
        for message in _messages(stream, json.loads(record))
    ]
    config = tmp_path / "config.json"
    with running(tenant) as sandbox:
        access = {"api_url": sandbox.url, "api_token": "documentation-token"}
        config.write_text(json.dumps({**access, **settings, "stream_maps": maps}))
        run = subprocess.run(
            ["target-planhat", "--config", config],
            input="\n".join(lines),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    for _, _, resource, shown in examples:
        wanted = json.loads(shown)
        key, reference = RESOURCES[resource].generated_key, RESOURCES[resource].company_property
        wanted[reference] = _company(tenant, wanted[reference])
        rows = map(json.loads, tenant.tables[resource].rows.values())
        found = [row for row in rows if row.get(key) == wanted[key]]
        assert [{name: row.get(name) for name in wanted} for row in found] == [wanted]
    written = sum(len(table.rows) for table in tenant.tables.values())
    assert written == len(examples)
