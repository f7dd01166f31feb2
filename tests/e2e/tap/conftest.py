"""Runs the tap's command as a user's pipeline would."""

from __future__ import annotations

import copy
import json
import os
import runpy
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("tap-planhat"))
TOKEN = "e2e-token-8d1f0c77"
STREAMS = ("campaigns", "conversations", "nps", "tasks")
PATIENCE = 120
"""Seconds after which a run counts as hanging."""

_odd = runpy.run_path(str(HERE / "odd_server.py"))


@dataclass(frozen=True)
class Run:
    """What a run of the tap left behind."""

    code: int
    out: bytes
    err: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of all whole lines."""
        return [
            json.loads(line) for line in self.out.splitlines(keepends=True) if line[-1:] == b"\n"
        ]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        return [message for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return a stream's records."""
        return [each["record"] for each in self.of("RECORD") if each["stream"] == stream]

    def ids(self, stream: str) -> list[str]:
        """Return the `_id`s of a stream's records."""
        return [record["_id"] for record in self.records(stream)]

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE, as the next run takes it."""
        return copy.deepcopy(self.of("STATE")[-1]["value"])

    def bookmark(self, stream: str) -> dict[str, Any]:
        """Return a stream's part of the last STATE."""
        return self.state["bookmarks"][stream]

    @property
    def complaint(self) -> str:
        """The last line for the user."""
        return self.err.strip().splitlines()[-1]


class Tap:
    """The command, ready to run in a folder."""

    def __init__(self, folder: Path, catalog: dict[str, Any]) -> None:
        self.folder = folder
        self._catalog = catalog
        self._runs = 0

    def catalog(
        self,
        *streams: str,
        method: str | None = None,
        key: str | None = None,
        properties: Mapping[str, set[str]] | None = None,
    ) -> dict[str, Any]:
        """Return a catalog that selects these streams, or all.

        Args:
            streams: Names.
            method: Replication method of all of them.
            key: Replication key of all of them.
            properties: By stream, the only properties selected.
        """
        catalog = copy.deepcopy(self._catalog)
        for entry in catalog["streams"]:
            name = entry["tap_stream_id"]
            for item in entry["metadata"]:
                if not item["breadcrumb"]:
                    item["metadata"]["selected"] = name in (streams or STREAMS)
                    if method:
                        item["metadata"]["forced-replication-method"] = method
                elif properties and name in properties:
                    item["metadata"]["selected"] = item["breadcrumb"][1] in properties[name]
            if method:
                entry["replication_method"] = method
            if key:
                entry["replication_key"] = key
        return catalog

    def start(
        self,
        server: Any,
        *streams: str,
        state: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        **config: Any,
    ) -> subprocess.Popen[bytes]:
        """Start the command against a server.

        Args:
            server: Has its `url`.
            streams: The only ones to read; default all.
            state: Of the run before.
            catalog: In place of one that selects the streams.
            options: More of the command line.
            stdout: Where the messages go.
            stderr: Where the log goes.
            config: Settings.
        """
        self._runs += 1
        settings = {"api_token": TOKEN, "requests_per_minute": 6000, "retry_timeout": 5}
        settings |= {"api_url": getattr(server, "url", server), **config}
        if catalog is None and streams:
            catalog = self.catalog(*streams)
        command = [COMMAND, *options]
        for name, value in (("config", settings), ("catalog", catalog), ("state", state)):
            if value is not None:
                path = self.folder / f"{name}-{self._runs}.json"
                path.write_text(json.dumps(value))
                command += [f"--{name}", path.name]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TAP_PLANHAT")}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**kept, "PYTHONFAULTHANDLER": "1"},
            stdout=stdout,
            stderr=stderr,
        )

    def __call__(self, server: Any, *streams: str, **given: Any) -> Run:
        """Run it to its end, whatever that is."""
        with self.start(server, *streams, **given) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                # It says where each thread hangs.
                process.send_signal(signal.SIGABRT)
                pytest.fail(process.communicate()[1].decode())
        return Run(process.returncode, out, err.decode())

    def reads(self, server: Any, *streams: str, **given: Any) -> Run:
        """Run it to its good end."""
        run = self(server, *streams, **given)
        assert run.code == 0, run.err
        return run


@pytest.fixture(scope="session")
def discovered():
    """What `--discover` prints."""
    done = subprocess.run(
        [COMMAND, "--discover"], capture_output=True, timeout=PATIENCE, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture
def tap(tmp_path, discovered):
    return Tap(tmp_path, discovered)


@pytest.fixture
def odd():
    """Runs a server with the habits given: `with odd(cap=10) as server`."""
    return _odd["odd_server"]


@pytest.fixture(scope="session")
def canned():
    """An answer for the odd server's `spoil`."""
    return _odd["Canned"]


@pytest.fixture(scope="session")
def run_of():
    return Run
