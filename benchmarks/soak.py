"""A million rows from one tenant into another, while everything that can go wrong does.

`tap-planhat | target-planhat`, with errors, lost answers and refusals on both sides and rows that
change while they are read; then a second run for what came meanwhile. At the end each record has
to be in the second tenant once, with its values, and the memory of neither may have grown.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.copies import compare, keys
from benchmarks.measure import (
    BIN,
    PYTHON,
    FailedError,
    control,
    python,
    run,
    serving,
    write_json,
)
from planhat_api.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.copies import Tally

SAMPLE_EVERY = 0.2
"""Seconds between two looks at the memory."""
MOST_MEMORY = 150
"""MB above the interpreter with its imports."""
NOTE = {"type": "'note' if type in ('email', 'chat', 'ticket', 'call') else type"}
"""Planhat creates no conversation of the types it keeps for itself."""
NAMES = ("tap-planhat", "target-planhat")


@dataclass(frozen=True)
class Scale:
    """How much, and how bad."""

    rows: Mapping[str, int]
    error_rate: float
    """Share of calls that end in a 500, a 502 or a broken connection; of a quarter of these
    the work is done and only the answer lost."""
    refused: int
    """Calls from one 429 to the next; as often the answer to a call is lost."""
    every: int
    """List calls from one change of rows to the next."""
    tap: Mapping[str, Any]
    target: Mapping[str, Any]
    """Settings beyond where to go."""
    growth: float
    """Most MB that memory may grow towards the end of a run."""


FULL = Scale(
    rows={"tasks": 400_000, "conversations": 300_000, "nps": 150_000, "campaigns": 150_000},
    error_rate=0.04,
    refused=25,
    every=3,
    tap={},
    target={},
    growth=20,
)
QUICK = Scale(
    rows={"tasks": 1_500, "conversations": 800, "nps": 500, "campaigns": 300},
    error_rate=0.04,
    refused=30,
    every=2,
    # Small pages make many calls, for which a run so short need not wait.
    tap={"page_size": 150, "requests_per_minute": 6000},
    target={"batch_size_rows": 200},
    # So short a run is at its beginning when it ends.
    growth=80,
)


@dataclass(frozen=True)
class Piped:
    """What `tap | target` took."""

    seconds: float
    memory: Mapping[str, Sequence[float]]
    """MB of each process, from time to time."""
    outcomes: Mapping[str, Mapping[str, int]]
    """What became of the records, by stream."""


def soak(folder: Path, scale: Scale) -> tuple[Piped, list[str]]:
    """Copy a tenant under fire; return what the first run took, and what is to say of it all.

    Raises:
        FailedError: A record is lost, twice or wrong, or a run failed.
    """
    # Before this process holds rows: what it holds would count for theirs.
    imports = {
        name: run(
            [PYTHON, "-c", f"import {name[:-8]}_planhat.{name[:-8]}"], into=folder / "no"
        ).peak
        for name in NAMES
    }
    with ExitStack() as stack:
        now = datetime.now(timezone.utc).isoformat()
        given = (orjson.dumps(scale.rows).decode(), "--now", now, "--error-rate")
        first, second = (
            stack.enter_context(
                serving(python("benchmarks.tenants", which, *given, str(scale.error_rate)))
            ).strip()
            for which in ("full", "empty")
        )
        before = keys(first)
        for url in (first, second):
            control(url, "faults", _faults(scale))
        control(first, "changes", _changes(scale))
        files = _files(folder, scale, first, second)
        whole = piped(folder, files)
        calls = {url: control(url, "calls") for url in (first, second)}
        # Nothing changes any more; what can go wrong goes on.
        for url in (first, second):
            control(url, "reset", {})
        rest = piped(folder, files, state=_last_state(folder / "states"))
        tallies = [
            compare(control(first, f"dump/{name}"), control(second, f"dump/{name}"), item, known)
            for (name, item), known in zip(RESOURCES.items(), before.values(), strict=True)
        ]
    asked = sum(len(each) for each in before.values())
    return whole, [
        f"## Soak: {asked:,} rows from one tenant into another",
        "",
        _run("the first run", whole),
        _run("the second run", rest),
        *(_calls(name, calls[url]) for name, url in zip(NAMES, (first, second), strict=True)),
        _compared(tallies),
        "",
        *_memory(whole, imports, scale.growth),
    ]


def piped(folder: Path, files: Mapping[str, Path], state: Any = None) -> Piped:
    """Run the tap into the target, and look at their memory meanwhile.

    Raises:
        FailedError: One of them ended with another code than 0.
    """
    tap: list[str | Path] = [BIN / NAMES[0], "--config", files[NAMES[0]]]
    if state is not None:
        tap += ["--state", write_json(folder / "state.json", state)]
    target: list[str | Path] = [BIN / NAMES[1], "--config", files[NAMES[1]]]
    logs = {name: folder / f"{name}.log" for name in NAMES}
    began = time.perf_counter()
    with (
        logs[NAMES[0]].open("wb") as tap_log,
        logs[NAMES[1]].open("wb") as target_log,
        (folder / "states").open("wb") as states,
        subprocess.Popen(tap, stdout=subprocess.PIPE, stderr=tap_log) as source,
        subprocess.Popen(target, stdin=source.stdout, stdout=states, stderr=target_log) as sink,
    ):
        if source.stdout:
            source.stdout.close()
        memory = watched(dict(zip(NAMES, (source, sink), strict=True)))
    seconds = time.perf_counter() - began
    for name, process in zip(NAMES, (source, sink), strict=True):
        if process.returncode:
            raise FailedError(f"{name}: {logs[name].read_text()[-2000:]}")
    return Piped(seconds, memory, _outcomes(logs[NAMES[1]]))


def watched(processes: Mapping[str, subprocess.Popen[bytes]]) -> dict[str, list[float]]:
    """Wait for processes; return the MB each held in memory meanwhile."""
    memory: dict[str, list[float]] = {name: [] for name in processes}
    while any(process.poll() is None for process in processes.values()):
        for name, process in processes.items():
            if process.returncode is None and (held := _resident(process.pid)):
                memory[name].append(held)
        time.sleep(SAMPLE_EVERY)
    return memory


def growth(samples: Sequence[float]) -> float:
    """Return by how many MB the last eighth of a run was above the one before, at their highest.

    Both belong to the same stream, the last and longest: rows of another size take more or less.
    """
    part = len(samples) // 8
    if not part:
        raise FailedError("the run was too short to see whether memory grows")
    return max(samples[-part:]) - max(samples[-2 * part : -part])


def _resident(pid: int) -> float:
    """Return the MB a process has in memory; 0: it is over."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(next(lines, "VmRSS: 0 kB").split()[1]) / 1000


def _faults(scale: Scale) -> list[dict[str, Any]]:
    """Return the faults that do not come by chance: others use the tenant too, answers get lost."""
    refusal = {"status": 429, "headers": {"Retry-After": "1"}}
    lost = {"drop": "after"}
    each = scale.refused
    return [
        {**fault, "skip": each * number + offset}
        for number in range(40)
        for fault, offset in ((refusal, each // 2), (lost, each // 3))
    ]


def _changes(scale: Scale) -> list[dict[str, Any]]:
    """Return what happens to rows while their list is read."""
    usual = {"every": scale.every, "insert": 3, "update": 20, "delete": 5}
    tasks = {"archive": 5, "reopen": 5}
    return [{"resource": name, **usual, **(tasks if name == "tasks" else {})} for name in RESOURCES]


def _files(folder: Path, scale: Scale, first: str, second: str) -> dict[str, Path]:
    """Write the settings of both connectors."""
    access = {"api_token": "token"}
    tap = {**access, "api_url": first, **scale.tap}
    target = {
        **access,
        "api_url": second,
        "match_on": ["sourceId", "externalId"],
        "stream_maps": {"conversations": NOTE},
        **scale.target,
    }
    return {
        name: write_json(folder / f"{name}.json", config)
        for name, config in zip(NAMES, (tap, target), strict=True)
    }


def _last_state(file: Path) -> Any:
    return orjson.loads(file.read_bytes().splitlines()[-1])


def _outcomes(log: Path) -> dict[str, dict[str, int]]:
    line = next(line for line in log.read_text().splitlines() if '"record_outcomes"' in line)
    found: dict[str, dict[str, int]] = orjson.loads(line[line.index("{") :])["streams"]
    return found


def _run(name: str, taken: Piped) -> str:
    total: Counter[str] = Counter()
    for figures in taken.outcomes.values():
        total.update(figures)
    became = ", ".join(f"{count:,} {what}" for what, count in total.items() if count)
    rate = total["read"] / taken.seconds
    return f"- {name}: {taken.seconds:.0f} s, {rate:,.0f} records/s; {became}"


def _compared(tallies: Sequence[Tally]) -> str:
    alike, gone = (sum(getattr(tally, name) for tally in tallies) for name in ("alike", "gone"))
    return (
        f"- in both tenants, once and alike: {alike:,} records; deleted in the first after they "
        f"were copied: {gone:,}"
    )


def _calls(name: str, calls: Sequence[Mapping[str, Any]]) -> str:
    statuses = Counter(call["status"] for call in calls)
    broken = statuses.pop(0, 0)
    bad = ", ".join(f"{statuses[code]} times {code}" for code in sorted(statuses) if code >= 400)
    return f"- {name} made {len(calls):,} calls; {bad}, {broken} broken connections"


def _memory(taken: Piped, imports: Mapping[str, float], limit: float) -> list[str]:
    lines = [
        "| | imports, MB | most in each eighth of the run | above imports | growth at the end |",
        "|---" * 5 + "|",
    ]
    for name, samples in taken.memory.items():
        most, grown = max(samples), growth(samples)
        part = len(samples) // 8
        highest = (max(samples[part * number : part * (number + 1)]) for number in range(8))
        lines.append(
            f"| {name} | {imports[name]:.0f} | {', '.join(f'{each:.0f}' for each in highest)} | "
            f"{most - imports[name]:.0f}, the aim is {MOST_MEMORY} | {grown:.0f}, "
            f"{'which is too much' if grown > limit else f'the limit is {limit:g}'} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows: does it work?")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scale = QUICK if given.quick else FULL
        whole, lines = soak(Path(folder), scale)
        print("\n".join(lines))
    # Said after the rest, which took long to find out.
    for name, samples in whole.memory.items():
        if growth(samples) > scale.growth:
            raise FailedError(f"the memory of {name} grows")


if __name__ == "__main__":
    main()
