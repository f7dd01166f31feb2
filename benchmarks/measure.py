"""Runs a command to its end and says what that took."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PYTHON = sys.executable
BIN = Path(sys.executable).parent
Command = list["str | Path"]
_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
"""Modules are compiled once, as they are where pip installs them, not by each process anew."""


_MEASURED = """
import os, sys, time
began = time.perf_counter()
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, took = os.wait4(process, 0)
figures = time.perf_counter() - began, took.ru_utime + took.ru_stime, took.ru_maxrss / 1000
os.write(int(sys.argv[1]), b"[%d,%f,%f,%f]" % (os.waitstatus_to_exitcode(status), *figures))
"""
"""Starts a command and says what it took. Until `exec` a process counts the peak of whoever starts
it as its own, so that a small one has to."""


@dataclass(frozen=True)
class Run:
    """What one process took, its own start included."""

    seconds: float
    """On the clock."""
    cpu: float
    """Seconds of processor time, over all threads."""
    peak: float
    """MB of memory at most."""


class FailedError(Exception):
    """A command failed, or did not do what it was measured for."""


def run(command: Command, *, given: Path | None = None, into: Path) -> Run:
    """Run a command.

    Args:
        command: What to run.
        given: Its standard input; None: nothing.
        into: Where its standard output goes. Its log goes beside it.

    Raises:
        FailedError: It ended with another code than 0.
    """
    log = into.with_suffix(".log")
    with (
        (given or Path(os.devnull)).open("rb") as stdin,
        into.open("wb") as out,
        log.open("wb") as err,
    ):
        reader, writer = os.pipe()
        measured = [PYTHON, "-SEc", _MEASURED, str(writer), *command]
        with os.fdopen(reader, "rb") as told:
            process = subprocess.Popen(
                measured, stdin=stdin, stdout=out, stderr=err, env=_ENVIRONMENT, pass_fds=[writer]
            )
            os.close(writer)
            answer = told.read()
        process.wait()
    code, *figures = orjson.loads(answer) if answer else [None]
    if code != 0:
        raise FailedError(f"{command[0]}: {log.read_text()[-2000:]}")
    return Run(*figures)


def python(module: str, *arguments: str | Path) -> Command:
    """Return the command that runs a module."""
    return [PYTHON, "-m", module, *arguments]


def records(file: Path) -> int:
    """Return the RECORD messages in a file of Singer messages."""
    with file.open("rb") as lines:
        return sum(b'"RECORD"' in line[:40] for line in lines)


@contextmanager
def serving(command: Command) -> Iterator[str]:
    """Run a server as long as the block lasts; yields the first line it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise FailedError(f"{command[0]} did not start")
            yield line
        finally:
            process.terminate()


def write_json(path: Path, value: object) -> Path:
    """Write a file of JSON and return its path."""
    path.write_bytes(orjson.dumps(value))
    return path


def control(url: str, what: str, body: Any = None) -> Any:
    """Call the control API of a sandbox."""
    data = None if body is None else orjson.dumps(body)
    with urllib.request.urlopen(f"{url}/__sandbox/{what}", data=data) as answer:
        return orjson.loads(answer.read())


def middle(runs: Sequence[Run]) -> Run:
    """Return the medians of some runs."""
    return Run(
        median(one.seconds for one in runs),
        median(one.cpu for one in runs),
        median(one.peak for one in runs),
    )
