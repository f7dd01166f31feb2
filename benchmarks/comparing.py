"""What it costs to know before writing: calls, items and memory of `compare: tenant`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from benchmarks.measure import BIN, FailedError, control, run, serving, write_json
from benchmarks.speed import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.measure import Command
    from benchmarks.speed import Size

FEW = 20_000
CHANGED = 100
"""Of so many tasks one is changed."""
MOST_MEMORY = 200
"""MB."""
MOST_CALLS: Mapping[bool, int] = {True: 12, False: 200}
"""List calls for few and for many tasks."""


def comparing(folder: Path, size: Size) -> list[str]:
    """Send tasks that the sandbox has once more, some of them changed."""
    lines = [
        "## Compare: tasks sent again, one in 100 changed",
        "",
        "| tasks | sent | unchanged | list calls | seconds | peak MB |",
        "|---" * 6 + "|",
    ]
    counts = dict.fromkeys((min(FEW, size.long), size.long))
    lines += [_measured(folder, count) for count in counts]
    aims = f"{MOST_CALLS[True]} list calls for 20,000, {MOST_CALLS[False]} for 1,000,000"
    return [*lines, "", f"The aim is at most {aims}, and {MOST_MEMORY} MB."]


def _measured(folder: Path, count: int) -> str:
    command: Command = [BIN / "planhat-sandbox", "--quiet", "--steady", "--port", "0"]
    command += ["--rows", f"tasks={count},conversations=0,campaigns=0,nps=0"]
    with serving([*command, "--task-dates", "all"]) as line:
        url = re.search(r"http://[0-9.:]+", line)[0]  # type: ignore[index]
        access = {"api_token": "token", "api_url": url}
        config = write_json(folder / "config.json", access)
        read, given, out = (folder / f"compare-{name}" for name in ("read", "given", "out"))
        chosen = catalog(folder, config, "tasks")
        run([BIN / "tap-planhat", "--config", config, "--catalog", chosen], into=read)
        changed = _change(read, given)
        read.unlink()
        control(url, "reset", {})
        config = write_json(folder / "config.json", {**access, "compare": "tenant"})
        taken = run([BIN / "target-planhat", "--config", config], given=given, into=out)
        given.unlink()
        calls = control(url, "stats")["calls"]
    told = _outcomes(out.with_suffix(".log"))
    if told["updated"] != changed or told["unchanged"] != told["read"] - changed:
        raise FailedError(f"{changed} of {told['read']} were changed, and it came to {told}")
    return (
        f"| {told['read']:,} | {told['updated']:,} | {told['unchanged']:,} | "
        f"{calls['GET tasks']} | {taken.seconds:.1f} | {taken.peak:.0f} |"
    )


def _change(read: Path, given: Path) -> int:
    """Copy what the tap wrote, with one task of a hundred changed; return how many were."""
    number = changed = 0
    with read.open("rb") as lines, given.open("wb") as out:
        for line in lines:
            if line.startswith(b'{"type":"RECORD"'):
                number += 1
                if number % CHANGED == 0:
                    changed += 1
                    message = orjson.loads(line)
                    message["record"]["action"] = f"Changed {number}"
                    line = orjson.dumps(message) + b"\n"  # noqa: PLW2901
            out.write(line)
    return changed


def _outcomes(log: Path) -> dict[str, int]:
    metric = re.search(r"METRIC: (\{.*\})", log.read_text())
    if metric is None:
        raise FailedError("the target reports no outcomes")
    outcomes: dict[str, int] = orjson.loads(metric[1])["streams"]["tasks"]
    return outcomes
