"""The commands of benchmarks/, on few rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def quick():
    """Runs a module with `--quick`; returns what it prints."""

    def run(module):
        done = subprocess.run(
            [sys.executable, "-m", module, "--quick"],
            cwd=PROJECT,
            # What is measured must not be slowed down by being measured.
            env={name: value for name, value in os.environ.items() if "COVERAGE_" not in name},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
