"""Taps and targets as processes, ours and those that others wrote.

The latter are installed from PyPI when they are first asked for, each into its own environment.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGINS = {
    "tap-postgres": "meltanolabs-tap-postgres==0.10.0",
    "target-postgres": "meltanolabs-target-postgres==0.8.1",
    "tap-spreadsheets": "tap-spreadsheets==1.1.2",
    "pipelinewise-target-postgres": "pipelinewise-target-postgres==2.1.2",
    # With DuckDB 1.3 or later this release loses the first row of a load.
    "target-duckdb": "target-duckdb==0.8.0 duckdb==1.2.2",
    "target-jsonl": "target-jsonl==0.1.4",
    "target-csv": "meltanolabs-target-csv==0.5.0",
    "target-s3": "plinxore-target-s3==0.1.7",
}
"""Command -> what to install for it."""
COMMANDS = {"pipelinewise-target-postgres": "target-postgres"}
"""Those that are called otherwise than here, where the name is another's."""
PATIENCE = 100
"""Seconds after which a process counts as hanging."""


class Plugins:
    """Installs commands when they are first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, name: str) -> str:
        """Return the path of a command of ours or of `PLUGINS`."""
        if name not in PLUGINS:
            return str(Path(sys.executable).with_name(name))
        return str(self.environment(PLUGINS[name]) / "bin" / COMMANDS.get(name, name))

    def environment(self, requirement: str, *options: str) -> Path:
        """Return an environment in which a requirement is installed."""
        home = self._root / requirement
        ready = home / "ready"
        with (self._root / f"{requirement}.lock").open("w") as lock:
            # Other workers of the same test run wait here.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists():
                shutil.rmtree(home, ignore_errors=True)
                uv = str(Path(sys.executable).with_name("uv"))
                _checked(uv, "venv", "--python", sys.executable, str(home))
                _checked(
                    uv, "pip", "install", "--python", str(home), *options, *requirement.split()
                )
                ready.touch()
        return home


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: bytes
    log: str
    tap_code: int = 0
    tap_log: str = ""

    @property
    def state(self) -> Any:
        """The last STATE, as the next run takes it; None: there is none."""
        states = [line for line in self.out.splitlines() if b'"bookmarks"' in line]
        last = orjson.loads(states[-1]) if states else None
        return last["value"] if last and last.get("type") == "STATE" else last

    @property
    def outcomes(self) -> dict[str, dict[str, int]]:
        """What target-planhat says it did, by stream: what occurred at all."""
        line = next(line for line in self.log.splitlines() if '"record_outcomes"' in line)
        streams = orjson.loads(line[line.index("{") :])["streams"]
        return {
            stream: {name: count for name, count in figures.items() if count}
            for stream, figures in streams.items()
        }


@dataclass(frozen=True)
class Process:
    """A command that is running."""

    popen: subprocess.Popen[bytes]
    log: Path


@dataclass
class Pipeline:
    """Runs taps and targets, settings and all in one folder."""

    folder: Path
    plugins: Plugins
    _files: int = 0
    _processes: list[Process] = field(default_factory=list)

    def stop(self) -> None:
        """Let nothing run on that a failed test has left behind."""
        for process in self._processes:
            with process.popen as left:
                left.kill()

    def catalog(self, tap: str, config: Mapping[str, Any], *streams: str) -> dict[str, Any]:
        """Return what a tap discovers, with everything selected, or some streams only."""
        found = orjson.loads(_checked(*self._command(tap, config=config), "--discover"))
        for stream in found["streams"]:
            wanted = not streams or stream["tap_stream_id"] in streams
            for item in stream["metadata"]:
                item["metadata"]["selected"] = wanted
        return found

    def extract(self, tap: str, config: Any, **given: Any) -> Run:
        """Run a tap to its end, whatever that is."""
        return self._ended(self._started(tap, config=config, **given))

    def load(self, target: str, config: Any, messages: bytes) -> Run:
        """Run a target to its end, whatever that is."""
        source = self.folder / "messages.singer"
        source.write_bytes(messages)
        with source.open("rb") as stdin:
            return self._ended(self._started(target, stdin=stdin, config=config))

    def run(self, tap: tuple[str, Any], target: tuple[str, Any], **given: Any) -> Run:
        """Run a tap into a target, to their end whatever that is.

        Args:
            tap: The command and its settings.
            target: The same.
            given: `state` and `catalog` of the tap.
        """
        source = self._started(tap[0], config=tap[1], **given)
        sink = self._started(target[0], stdin=source.popen.stdout, config=target[1])
        source.popen.stdout.close()
        end = self._ended(sink)
        source.popen.wait(timeout=PATIENCE)
        return replace(end, tap_code=source.popen.returncode, tap_log=source.log.read_text())

    def _started(self, name: str, stdin: Any = subprocess.DEVNULL, **given: Any) -> Process:
        command = self._command(name, **given)
        log = self.folder / f"{name}-{self._files}.log"
        with log.open("wb") as stderr:
            popen = subprocess.Popen(
                command,
                cwd=self.folder,
                env=_environment(),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._processes.append(Process(popen, log))
        return self._processes[-1]

    def _ended(self, process: Process) -> Run:
        out, _ = process.popen.communicate(timeout=PATIENCE)
        return Run(process.popen.returncode, out, process.log.read_text())

    def _command(self, name: str, **given: Any) -> list[str]:
        command = [self.plugins(name)]
        for kind, value in given.items():
            if value is not None:
                self._files += 1
                path = self.folder / f"{kind}-{self._files}.json"
                path.write_bytes(orjson.dumps(value))
                command += [f"--{kind}", str(path)]
        return command


def _checked(*command: str) -> str:
    """Run a command to its good end; return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "PG", "MELTANO_"))
    }
