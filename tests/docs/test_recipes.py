"""The recipes for stream maps: what comes in becomes what the page says, with Meltano and without.

`other_columns.json` has what each source sends besides the columns that the page shows.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Company, Tenant

BIN = Path(sys.executable).parent
EXAMPLE = re.compile(
    r"^In, from `([\w -]+)`:\n\n```json\n(.*?)\n```\n\n"
    r"In Planhat, among the (\w+):\n\n```json\n(.*?)\n```$",
    re.MULTILINE | re.DOTALL,
)
SKIPPED = re.compile(
    r"^Skipped, from `([\w -]+)`:\n\n```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL
)
COMPANY = "6100000000000000000000a1"
TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
}
OTHERS = json.loads(Path(__file__).with_name("other_columns.json").read_text())


@pytest.fixture
def tenant():
    """A tenant whose one company answers to every reference of the page."""
    made = Tenant(SandboxOptions(steady=True))
    made.add_company(Company(COMPANY, "North", "71", "acc-71"))
    made.add_company(Company("6100000000000000000000b2", "South", "72", "881"))
    return made


@pytest.fixture
def recipes(page_named):
    """Each recipe: what it sets, and the examples behind it."""
    page = page_named("docs/mapping.md")
    parts = re.split(r"^(?=```yaml\n)", page.text, flags=re.MULTILINE)[1:]
    found = [
        (
            yaml.safe_load(part.partition("```yaml\n")[2].partition("```")[0]),
            EXAMPLE.findall(part),
            SKIPPED.findall(part),
        )
        for part in parts
    ]
    shown = sum(2 * len(examples) + len(skipped) for _, examples, skipped in found)
    assert shown == len(page.blocks("json"))
    for settings, examples, _ in found:
        maps = settings["stream_maps"]
        sources = {stream_map.get("__source__", name) for name, stream_map in maps.items()}
        assert {stream for stream, *_ in examples} == sources
    return found


def _company(tenant, reference):
    kind, _, key = reference.partition("-")
    name = {"extid": "external_id", "srcid": "source_id"}[kind]
    return next(one.id for one in tenant.companies.values() if getattr(one, name) == key)


def _messages(stream, shown):
    record = {**json.loads(shown), **OTHERS[stream]}
    properties = {
        name: {"type": [TYPES.get(type(value), "string"), "null"]} for name, value in record.items()
    }
    # As everywhere on the page, the first column is the key.
    schema = {"stream": stream, "schema": {"properties": properties}}
    yield {"type": "SCHEMA", **schema, "key_properties": [next(iter(record))]}
    yield {"type": "RECORD", "stream": stream, "record": record}


def _lines(examples, skipped):
    sent = [*examples, *skipped]
    messages = (each for stream, shown, *_ in sent for each in _messages(stream, shown))
    return "".join(json.dumps(message) + "\n" for message in messages)


def _run(command, environment, folder, **more):
    run = subprocess.run(
        command,
        env={**environment, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _by_hand(recipes, access, environment, folder):
    for settings, *shown in recipes:
        (folder / "config.json").write_text(json.dumps({**access, **settings}))
        command = ["target-planhat", "--config", "config.json"]
        _run(command, environment, folder, input=_lines(*shown))


def _by_meltano(recipes, access, environment, folder):
    """Run each recipe with a tap and a loader of its own, one behind the other."""
    mine = yaml.safe_load((Path(__file__).parents[2] / "meltano.yml").read_text())
    loader = next(one for one in mine["plugins"]["loaders"] if one["name"] == "target-planhat")
    extractors, loaders, names = [], [], []
    for number, (settings, *shown) in enumerate(recipes):
        source = folder / f"source-{number}"
        source.write_text(f"#!/bin/sh\ncat <<'END'\n{_lines(*shown)}END\n")
        source.chmod(0o755)
        tap, target = f"tap-source-{number}", f"target-planhat-{number}"
        extractors.append({"name": tap, "namespace": f"source_{number}", "executable": str(source)})
        kept = {name: loader[name] for name in ("capabilities", "settings")}
        loaders.append(
            {
                "name": target,
                "namespace": f"planhat_{number}",
                "executable": str(BIN / "target-planhat"),
                "config": {**access, **settings},
                **kept,
            }
        )
        names += [tap, target]
    project = {
        **{name: mine[name] for name in ("requires_meltano", "cli")},
        "send_anonymous_usage_stats": False,
        "project_id": "recipes",
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
        "plugins": {"extractors": extractors, "loaders": loaders},
    }
    for plugin in names:
        kind = "extractors" if plugin.startswith("tap") else "loaders"
        (folder / ".meltano" / kind / plugin).mkdir(parents=True)
    (folder / "meltano.yml").write_text(yaml.safe_dump(project))
    _run(["meltano", "run", *names], environment, folder)


@pytest.mark.parametrize("way", [_by_hand, _by_meltano])
def test_records_become_what_the_recipes_say(recipes, tenant, tmp_path, unmeasured, way):
    with running(tenant) as sandbox:
        access = {"api_url": sandbox.url, "api_token": "documentation-token"}
        way(recipes, access, unmeasured, tmp_path)
    examples = [example for _, examples, _ in recipes for example in examples]
    for _, _, resource, shown in examples:
        wanted = json.loads(shown)
        key, reference = RESOURCES[resource].generated_key, RESOURCES[resource].company_property
        if reference in wanted:
            wanted[reference] = _company(tenant, wanted[reference])
        rows = map(json.loads, tenant.tables[resource].rows.values())
        found = [row for row in rows if row.get(key) == wanted[key]]
        assert [{name: row.get(name) for name in wanted} for row in found] == [wanted]
    written = sum(len(table.rows) for table in tenant.tables.values())
    assert written == len(examples)
