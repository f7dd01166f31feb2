"""What the demo plays on: a sandbox, Meltano with a state of its own, and their logs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
TOKEN = "demo"  # noqa: S105 - the sandbox takes any
MARK = "made-by-the-demo"
"""File that tells a folder the demo made, and may make anew, from any other."""


class DemoError(Exception):
    """The demo cannot go on."""


def clean(folder: Path) -> None:
    """Make an empty folder, in place of one that an earlier demo made.

    Raises:
        DemoError: There is something else.
    """
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise DemoError(f"{folder} holds something else; name a folder that is new or empty")
        (folder / MARK).touch()
    except OSError as error:
        raise DemoError(f"{folder} cannot be used: {error.strerror}") from None


@dataclass(frozen=True)
class Planhat:
    """The sandbox, as the people and programs that use Planhat would call it."""

    url: str

    def put(self, resource: str, *items: dict[str, Any]) -> None:
        """Upsert items.

        Raises:
            DemoError: One of them was refused.
        """
        self._call("PUT", resource, list(items))

    def load(self, resource: str, *rows: dict[str, Any]) -> None:
        """Put rows in as they are: what an integration of Planhat's own may do."""
        self._call("POST", f"__sandbox/load/{resource}", list(rows))

    def all(self, resource: str) -> list[dict[str, Any]]:
        """Return all records, archived ones too."""
        rows: list[dict[str, Any]] = self._call("GET", f"__sandbox/dump/{resource}", None)
        return rows

    def _call(self, method: str, path: str, body: Any) -> Any:
        answer = requests.request(
            method,
            f"{self.url}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
        )
        if answer.status_code != requests.codes.ok:
            raise DemoError(f"the sandbox answered {answer.status_code}: {answer.text}")
        return answer.json()


@contextmanager
def sandbox(log: Path) -> Iterator[Planhat]:
    """Run a sandbox with the demo tenant on a free port.

    Raises:
        DemoError: It did not start; `log` says why.
    """
    with log.open("w") as errors:
        command = [str(BIN / "planhat-sandbox"), "--port=0", "--demo", "--steady", "--quiet"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        said = process.stdout.readline() if process.stdout else ""
        url = next((word for word in said.split() if word.startswith("http://")), None)
        if url is None:
            raise DemoError(f"the sandbox did not start; see {log}")
        yield Planhat(url)
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Meltano:
    """Meltano on this project, with state, database file and log in the demo's folder."""

    folder: Path
    planhat: Planhat

    @property
    def log(self) -> Path:
        """What Meltano and the connectors said."""
        return self.folder / "meltano.log"

    def run(self, job: str, *options: str, may_fail: bool = False) -> Sequence[str]:
        """Run a job and return its log, line by line.

        Raises:
            DemoError: It failed, and may not.
        """
        command = ["meltano", "run", *options, job]
        print(f"  $ {' '.join(command)}", end="", flush=True)
        started = time.monotonic()
        found = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=ROOT,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"   ({time.monotonic() - started:.0f} s)")
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{found.stdout}\n")
        if found.returncode and not may_fail:
            raise DemoError(f"meltano ended with {found.returncode}; see {self.log}")
        return found.stdout.splitlines()

    def _environment(self) -> dict[str, str]:
        """Return the environment: whatever `.env` holds, only the sandbox is called."""
        places = {
            f"{connector}_{name}": value
            for connector in ("TAP_PLANHAT", "TARGET_PLANHAT")
            for name, value in (("API_URL", self.planhat.url), ("API_TOKEN", TOKEN))
        }
        return {
            **os.environ,
            **places,
            "MELTANO_ENVIRONMENT": "sandbox",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "TARGET_DUCKDB_PATH": str(self.folder / "warehouse.duckdb"),
            "TARGET_PLANHAT_REJECTS_PATH": str(self.folder / "rejects.singer"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
