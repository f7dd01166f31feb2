"""Measures everything and prints it as tables; `--quick` does all of it once, on few rows."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import limits, rescan, speed
from benchmarks.comparing import comparing

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[Path, speed.Size], list[str]]] = {
    "tap": speed.tap,
    "latency": speed.latency,
    "target": speed.target,
    "startup": speed.startup,
    "incremental": limits.incremental,
    "rescan": rescan.rescan,
    "inventory": rescan.inventory,
    "memory": limits.memory,
    "comparing": comparing,
}
FULL = speed.Size(rows=100_000, rounds=5, long=1_000_000, short=200_000, latency_ms=200)
QUICK = speed.Size(rows=3_000, rounds=1, long=6_000, short=3_000, latency_ms=20)


def machine() -> str:
    """Say what this runs on."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        model = next(found, model).partition(":")[2].strip()
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--quick", action="store_true", help="few rows, one round: does it work?")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    size = QUICK if given.quick else FULL
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.parts or PARTS:
            before = os.getloadavg()[0]
            for line in PARTS[name](Path(folder), size):
                print(line)
            load = f"{before:.1f} to {os.getloadavg()[0]:.1f}"
            print(f"\nLoad of the machine meanwhile, this included: {load}.\n", flush=True)


if __name__ == "__main__":
    main()
