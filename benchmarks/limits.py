"""What must not grow with a tenant: the calls of an incremental run, and memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.measure import (
    BIN,
    PYTHON,
    FailedError,
    control,
    python,
    records,
    run,
    serving,
    write_json,
)
from benchmarks.speed import catalog, server, settings

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Command, Run
    from benchmarks.speed import Size

NEW = 100
MOST_CALLS = 12
"""List calls a pass."""
MOST_MEMORY = 150
"""MB above the interpreter with its imports."""


def incremental(folder: Path, size: Size) -> list[str]:
    """Count the list calls of a run that finds 100 new tasks among very many, in the sandbox.

    The list of tasks that are not archived is read a second time, for those reopened meanwhile.
    """
    rows = f"tasks={size.long},conversations=0,campaigns=0,nps=0"
    command: Command = [
        BIN / "planhat-sandbox",
        "--quiet",
        "--port",
        "0",
        "--rows",
        rows,
        "--task-dates",
        "all",
    ]
    with serving(command) as line:
        url = re.search(r"http://[0-9.:]+", line)[0]  # type: ignore[index]
        config = settings(folder, url)
        chosen = catalog(folder, config, "tasks")
        out = folder / "tap.singer"
        ours: Command = [BIN / "tap-planhat", "--config", config, "--catalog", chosen]
        first = run(ours, into=out)
        found = records(out)
        state = write_json(folder / "state.json", last_state(out))
        out.unlink()
        control(url, "changes", {"resource": "tasks", "every": 0, "insert": NEW})
        control(url, "reset", {})
        second = run([*ours, "--state", state], into=out)
        again = records(out)
        if found != size.long or again < NEW:
            raise FailedError(f"came to {found} rows of {size.long}, then to {again} of {NEW}")
        calls = [call for call in control(url, "calls") if call["method"] == "GET"]
    lists: dict[str, int] = {}
    for call in calls:
        name = f"isArchived={call['params'].get('isArchived')}"
        lists[name] = lists.get(name, 0) + 1
    counted = ", ".join(f"{count} with {name}" for name, count in lists.items())
    return [
        f"## Incremental: {NEW} new tasks among {size.long:,}",
        "",
        f"- the first run: {found:,} records in {first.seconds:.1f} s",
        f"- the second run: {again} records in {second.seconds:.1f} s",
        f"- its list calls: {counted}; the aim is {MOST_CALLS} a pass",
    ]


def memory(folder: Path, size: Size) -> list[str]:
    """Compare the peaks of a short and a long run with those of processes that only import."""
    lines = [
        "## Memory",
        "",
        f"| | imports, MB | {size.short:,} rows | {size.long:,} rows | above imports |",
        "|---" * 5 + "|",
    ]
    for name, measure in (("tap", _tap), ("target", _target)):
        command: Command = [PYTHON, "-c", f"import {name}_planhat.{name}"]
        base = run(command, into=folder / "nothing").peak
        short, long = (measure(folder, count).peak for count in (size.short, size.long))
        lines.append(
            f"| {name}-planhat | {base:.0f} | {short:.0f} | {long:.0f} | {long - base:.0f}, "
            f"the aim is {MOST_MEMORY} |"
        )
    return lines


def _tap(folder: Path, count: int) -> Run:
    with serving(server(tasks=count)) as line:
        config = settings(folder, orjson.loads(line)["url"])
        chosen = catalog(folder, config, "tasks")
        out = folder / "tap.singer"
        command: Command = [BIN / "tap-planhat", "--config", config, "--catalog", chosen]
        taken = run(command, into=out)
        out.unlink()
        return taken


def _target(folder: Path, count: int) -> Run:
    given = folder / "records.singer"
    run(python("benchmarks.data", given, str(count)), into=folder / "nothing")
    with serving(server()) as line:
        config = settings(folder, orjson.loads(line)["url"])
        command: Command = [BIN / "target-planhat", "--config", config]
        taken = run(command, given=given, into=folder / "target.out")
        given.unlink()
        return taken


def last_state(file: Path) -> Any:
    """Return the value of the last STATE in a file of Singer messages."""
    last: Any = {}
    with file.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"type":"STATE"'):
                last = orjson.loads(line)["value"]
    return last
