"""Every command that a page shows is run, and prints what the page says."""

from __future__ import annotations

import re
import socket
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from planhat_sandbox.demo import sample
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

ROOT = Path(__file__).parents[2]
RUN_ELSEWHERE = {"make demo", "make test", "make lint", "make test-e2e", "make soak"}
"""By tests of their own, or by what runs this test."""
CHECKED = '[ $? -eq 0 ] || echo "and fails"'
"""So that a command that fails prints what no page says."""
INSTALLS = re.compile(r"^pipx install .*$", re.MULTILINE)
"""By a test of the packages."""


@pytest.fixture
def planhat():
    tenant = Tenant()
    sample.fill(tenant, datetime.now(timezone.utc))
    with running(tenant) as sandbox:
        yield sandbox


def _session(page):
    """Return the commands of a page, and what it says that they print."""
    commands, printed = [], []
    for line in "".join(page.blocks("console")).splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
        elif line.startswith("> "):
            commands[-1] += f"\n{line[2:]}"
        else:
            printed.append(line)
    return [command for command in commands if command not in RUN_ELSEWHERE], printed


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_the_commands_of_a_page_print_what_it_says(
    page_with_console, planhat, tmp_path, environment, meltano_folder
):
    commands, wanted = _session(page_with_console)
    if any(command.startswith("meltano ") for command in commands):
        meltano_folder(tmp_path)
    (tmp_path / "output").mkdir()
    port = _free_port()
    script = "".join(f"{command}\n{CHECKED}\n" for command in commands)
    script = INSTALLS.sub("true", script)
    script = script.replace("8787", port).replace(
        "-sandbox --demo", f"-sandbox --demo --port {port}"
    )
    access = {
        f"{name}_PLANHAT_{setting}": value
        for name in ("TAP", "TARGET")
        for setting, value in (("API_URL", planhat.url), ("API_TOKEN", "documentation-token"))
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**environment, **access, "HOME": str(tmp_path), "REPOSITORY": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    seen = done.stdout.replace(port, "8787").splitlines()
    assert [_as_shown(*lines) for lines in zip(wanted, seen, strict=False)] == wanted
    assert len(seen) == len(wanted), done.stdout + done.stderr


def _as_shown(shown, seen):
    """Return a line as the page shows it, if `…` stands for what differs."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    return shown if re.fullmatch(pattern, seen) else seen
