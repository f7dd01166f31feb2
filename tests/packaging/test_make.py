"""The Makefile tells what it can do, and what it installs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
LIVE = ROOT / "scripts" / "live.sh"


def run(*command, terminal=False):
    """Run a command, within a terminal if wanted; return its code and what it printed."""
    if terminal:
        script = shutil.which("script")
        assert script, "util-linux has it"
        command = (script, "--quiet", "--return", "--command", " ".join(command), os.devnull)
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_make_without_a_goal_lists_every_goal():
    code, said = run("make", "--silent")
    assert code == 0
    listed = re.findall(r"^make ([a-z0-9-]+) +\S", said, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert set(listed) == set(phony) - {"browser"}


def test_a_command_that_works_leaves_one_line_and_a_log(tmp_path):
    code, said = run("sh", str(LIVE), "Installing", str(tmp_path / "log"), "echo", "much")
    assert code == 0
    assert re.fullmatch(r"Installing \.\.\.\nInstalling: done in \d+ s\n", said)
    assert (tmp_path / "log").read_text() == "much\n"


def test_a_command_that_fails_shows_its_log_and_its_code(tmp_path):
    fails = f"{sys.executable} -c 'print(1/0)'"
    code, said = run("sh", "-c", f"sh {LIVE} Installing {tmp_path}/log {fails}")
    assert code == 1
    assert "ZeroDivisionError" in said
    assert said.endswith("Installing failed.\n")


def test_a_terminal_shows_a_live_line(tmp_path):
    slow = "sh -c 'echo Resolved; sleep 1.5'"
    code, said = run(f"sh {LIVE} Installing {tmp_path}/log {slow}", terminal=True)
    assert code == 0
    assert re.search(r"Installing \.\.\. \d+ s  (Resolved)?", said)
    assert re.search(r"Installing: done in \d+ s", said)
