from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_benchmarks_still_measure_everything():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=PROJECT,
        # What is measured must not be slowed down by being measured.
        env={key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("## ")] == [
        "## Tap: 3,000 tasks to a file",
        "## Tap: 3,000 conversations, 20 ms an answer",
        "## Target: 3,000 records from a file",
        "## Start of the processes",
        "## Incremental: 100 new tasks among 6,000",
        "## Memory",
    ]
