"""Speed: each connector beside a raw loop and a plain one of the Singer SDK, by turns."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import orjson

from benchmarks.measure import (
    BIN,
    PYTHON,
    FailedError,
    middle,
    python,
    records,
    run,
    serving,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks.measure import Command, Run


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rows: int
    """Rows or records of a speed run."""
    rounds: int
    long: int
    """Rows of the incremental and the larger memory run."""
    short: int
    """Rows of the smaller memory run."""
    latency_ms: int


def settings(folder: Path, url: str, **more: str) -> Path:
    """Write the settings all connectors get: nothing but where to go, and what is measured."""
    return write_json(folder / "config.json", {"api_token": "token", "api_url": url, **more})


def catalog(folder: Path, config: Path, stream: str) -> Path:
    """Write the tap's own catalog with one stream selected, everything else as discovered."""
    file = folder / "discovered.json"
    run([BIN / "tap-planhat", "--config", config, "--discover"], into=file)
    found = orjson.loads(file.read_bytes())
    for item in found["streams"]:
        for entry in item["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = item["stream"] == stream
    return write_json(folder / f"{stream}.json", found)


def server(**counts: int) -> Command:
    """Return the command of the server that costs next to nothing."""
    options = (
        part
        for name, count in counts.items()
        for part in (f"--{name.replace('_', '-')}", str(count))
    )
    return python("benchmarks.server", *options)


def tap(folder: Path, size: Size) -> list[str]:
    """Measure tasks to a file."""
    title = f"Tap: {size.rows:,} tasks to a file"
    with serving(server(tasks=size.rows)) as line:
        url = orjson.loads(line)["url"]
        sdk = python("benchmarks.sdk_tap", "--config", settings(folder, url))
        ways = _readers(folder, size, url, "tasks", {"SDK tap": sdk})
        return _compare(title, ways, size, {"raw loop": 0.75, "SDK tap": 5})


def latency(folder: Path, size: Size) -> list[str]:
    """Measure conversations from a server that takes its time."""
    title = f"Tap: {size.rows:,} conversations, {size.latency_ms} ms an answer"
    with serving(server(conversations=size.rows, latency_ms=size.latency_ms)) as line:
        ways = _readers(folder, size, orjson.loads(line)["url"], "conversations", {})
        return _compare(title, ways, size, {"raw loop": 3})


def _readers(
    folder: Path, size: Size, url: str, stream: str, others: Mapping[str, Command]
) -> dict[str, Callable[[], Run]]:
    """Return the ways to read a stream into a file: ours, the raw loop, and others."""
    config = settings(folder, url)
    chosen = catalog(folder, config, stream)
    out = folder / "tap.singer"

    def measured(command: Command) -> Run:
        taken = run(command, into=out)
        _expect(records(out), size.rows, command)
        return taken

    commands: dict[str, Command] = {
        "tap-planhat": [BIN / "tap-planhat", "--config", config, "--catalog", chosen],
        "raw loop": python("benchmarks.raw_tap", url, stream),
        **others,
    }
    return {name: partial(measured, command) for name, command in commands.items()}


def target(folder: Path, size: Size) -> list[str]:
    """Measure records from a file to a server that answers at once."""
    given = folder / "records.singer"
    run(python("benchmarks.data", given, str(size.rows)), into=folder / "nothing")
    with serving(server()) as line:
        url = orjson.loads(line)["url"]
        config = settings(folder, url)
        out = folder / "target.out"

        def measured(command: Command) -> Run:
            before = _items(url)
            taken = run(command, given=given, into=out)
            _expect(_items(url) - before, size.rows, command)
            return taken

        ours: Command = [BIN / "target-planhat", "--config", config]
        ways: dict[str, Callable[[], Run]] = {
            "target-planhat": lambda: measured(ours),
            "raw loop": lambda: measured(python("benchmarks.raw_target", url)),
            "SDK target": lambda: measured(python("benchmarks.sdk_target", "--config", config)),
        }
        title = f"Target: {size.rows:,} records from a file"
        return _compare(title, ways, size, {"raw loop": 0.5, "SDK target": 8})


def startup(folder: Path, size: Size) -> list[str]:
    """Measure what each process takes before it does anything: its imports."""
    ways = {
        "tap-planhat": "import tap_planhat.tap",
        "target-planhat": "import target_planhat.target",
        "the SDK alone": "import singer_sdk",
        "raw loops": "import requests, orjson",
    }
    taken: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(size.rounds):
        for name, code in ways.items():
            taken[name].append(run([PYTHON, "-c", code], into=folder / "nothing"))
    return ["## Start of the processes", "", *_table(taken)]


def _compare(
    title: str, ways: Mapping[str, Callable[[], Run]], size: Size, aims: Mapping[str, float]
) -> list[str]:
    """Measure by turns; the first way is ours, the aims are its speed as a multiple of others'."""
    taken: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(size.rounds):
        for name, measure in ways.items():
            taken[name].append(measure())
    lines = [f"## {title}", "", *_table(taken, size.rows), ""]
    ours = taken[next(iter(ways))]
    for name, aim in aims.items():
        theirs = taken[name]
        by_round = sorted(b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True))
        clock = middle(theirs).seconds / middle(ours).seconds
        cpu = middle(theirs).cpu / middle(ours).cpu
        lines.append(
            f"- {clock:.2f} times the speed of the {name} (by round {by_round[0]:.2f} to "
            f"{by_round[-1]:.2f}), {cpu:.2f} by processor time; the aim is {aim:g}"
        )
    return lines


def _table(taken: Mapping[str, list[Run]], rows: int | None = None) -> list[str]:
    head = "| | seconds, median | least to most | processor seconds | peak MB |"
    lines = [f"{head} rows/s |" if rows else head, "|---" * (6 if rows else 5) + "|"]
    for name, runs in taken.items():
        usual = middle(runs)
        least, most = min(one.seconds for one in runs), max(one.seconds for one in runs)
        line = (
            f"| {name} | {usual.seconds:.2f} | {least:.2f} to {most:.2f} | {usual.cpu:.2f} | "
            f"{usual.peak:.0f} |"
        )
        lines.append(f"{line} {rows / usual.seconds:,.0f} |" if rows else line)
    return lines


def _items(url: str) -> int:
    with urllib.request.urlopen(f"{url}/items") as answer:
        return int(answer.read())


def _expect(found: int, wanted: int, command: Command) -> None:
    if found != wanted:
        raise FailedError(f"{command[0]} came to {found} rows of {wanted}")
