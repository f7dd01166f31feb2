"""Runs the target's command as a user's pipeline would, against a sandbox in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import orjson
import pytest

from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Company, Tenant

COMMAND = str(Path(sys.executable).with_name("target-planhat"))
TOKEN = "e2e-token-5be1c0ffee"
COMPANY = "5f1b7a9e1a2b3c4d5e6f7a8b"
PATIENCE = 120
"""Seconds after which a run counts as hanging."""
SCHEMA = {
    "type": "SCHEMA",
    "stream": "tasks",
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "companyId": {"type": ["string", "null"]},
            "action": {"type": ["string", "null"]},
        },
    },
}


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    code: int
    out: str
    err: str

    @cached_property
    def states(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def figures(self):
        """Stream -> what became of its records; the books must balance."""
        line = next(line for line in self.err.splitlines() if "METRIC: " in line)
        streams = json.loads(line.partition("METRIC: ")[2])["streams"]
        for figures in streams.values():
            assert figures["read"] == sum(figures.values()) - figures["read"], figures
        return {
            stream: {name: count for name, count in figures.items() if count}
            for stream, figures in streams.items()
        }

    @property
    def complaint(self):
        """The last line for the user."""
        return self.err.strip().splitlines()[-1]


class Target:
    """The command, ready to run in a folder."""

    def __init__(self, folder, url):
        self.folder = folder
        self.config = {"api_token": TOKEN, "api_url": url, "requests_per_minute": 100_000}

    def start(
        self,
        stdin=subprocess.PIPE,
        *,
        stdout=subprocess.PIPE,
        script='exec "$@"',
        arguments=(),
        **settings,
    ):
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config | settings))
        return subprocess.Popen(
            ["sh", "-c", script, "sh", COMMAND, "--config", str(path), *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.folder,
        )

    def call(self, *arguments):
        """Run the command with these arguments and nothing to read."""
        done = subprocess.run(
            [COMMAND, *arguments],
            input="",
            capture_output=True,
            check=False,
            cwd=self.folder,
            text=True,
            timeout=PATIENCE,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def replay(self, path, **settings):
        return self.run(b"", arguments=["--replay", path], **settings)

    def run(self, messages, **settings):
        lines = messages if isinstance(messages, bytes) else encoded(messages)
        process = self.start(**settings)
        out, err = process.communicate(lines, timeout=PATIENCE)
        run = Run(process.returncode, out.decode(), err.decode())
        assert TOKEN not in run.out + run.err
        return run


def encoded(messages):
    return b"".join(orjson.dumps(message) + b"\n" for message in messages)


def task(number, **more):
    record = {"id": number, "companyId": COMPANY, "action": f"call {number}", **more}
    return {"type": "RECORD", "stream": "tasks", "record": record}


def state(value):
    return {"type": "STATE", "value": {"at": value}}


class Planhat:
    """The sandbox, with a look at what it holds."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self.url = sandbox.url
        self.control = sandbox.control
        self.add_company = sandbox.tenant.add_company
        self.add_company(Company(COMPANY, "Acme"))

    def rows(self, name):
        return [orjson.loads(row) for row in self._sandbox.tenant.tables[name].rows.values()]

    def by_source_id(self, name="tasks"):
        rows = self.rows(name)
        found = {row.get("sourceId"): row for row in rows}
        assert len(found) == len(rows), "a record twice"
        return found

    def behave(self, **habits):
        tenant = self._sandbox.tenant
        tenant.habits = replace(tenant.habits, **habits)

    def fault(self, **fault):
        self.control.faults.add(fault)

    def calls(self, method):
        return [call for call in self.control.calls if call.method == method]


@pytest.fixture
def planhat(request):
    """The sandbox; a parameter says what it does with an unknown `_id` beside another key."""
    unknown_id = getattr(request, "param", None)
    with running(Tenant(SandboxOptions(seed=3, unknown_id=unknown_id))) as sandbox:
        yield Planhat(sandbox)


@pytest.fixture
def target(planhat, tmp_path):
    return Target(tmp_path, planhat.url)


@pytest.fixture
def singer():
    """The messages a tap sends: `schema`, `task(3)`, `state(3)`, `encoded(messages)`."""

    class Singer:
        schema = SCHEMA
        company = COMPANY

    Singer.task = staticmethod(task)
    Singer.state = staticmethod(state)
    Singer.encoded = staticmethod(encoded)
    return Singer


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    for name in list(os.environ):
        if name.startswith("TARGET_PLANHAT_"):
            monkeypatch.delenv(name)
