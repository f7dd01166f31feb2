"""The demo, as `make demo` runs it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

# One worker shows it once.
pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demo-home")


@pytest.fixture(scope="module")
def shown(plugins, home, environment_in):
    """What the demo prints."""
    folder = home.with_name("demo")
    done = subprocess.run(
        [sys.executable, "-m", "demo", folder],
        cwd=plugins.parent,
        # Settings of a tenant of one's own must not reach it.
        env={
            **environment_in(home),
            "TAP_PLANHAT_API_URL": "http://127.0.0.1:9",
            "TARGET_PLANHAT_API_URL": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_row_of_the_tenant_reaches_the_warehouse(shown):
    counts = re.findall(r"^  (\w+) +([\d,]+) +([\d,]+)$", shown, re.MULTILINE)
    assert [name for name, _, _ in counts] == ["campaigns", "nps", "conversations", "tasks"]
    assert all(there == here for _, there, here in counts)


def test_the_second_run_brings_the_changes_and_little_else(shown):
    lines = re.findall(r"^  (\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", shown, re.MULTILINE)
    new_and_changed = {name: (int(new), int(changed)) for name, _, new, changed, _ in lines}
    assert new_and_changed == {
        "campaigns": (0, 0),
        "nps": (1, 0),
        "conversations": (1, 0),
        "tasks": (1, 2),
    }
    assert sum(int(came) for _, came, *_ in lines) < 100


def test_each_ticket_is_shown_with_what_became_of_it(shown):
    fates = re.findall(r"^ +(\d{5})  .* (\w+)$", shown, re.MULTILINE)
    assert [fate for _, fate in fates] == [
        "updated",
        "created",
        "rejected",
        "rejected",
        "created",
        "rejected",
        "created",
    ]
    for number, fate in fates:
        assert (f"\n  {number}: " in shown) == (fate == "rejected"), "each with its reason"


def test_a_rerun_creates_nothing(shown):
    assert "7 read = 3 created, 1 updated, 3 rejected" in shown
    assert "7 read = 0 created, 0 updated, 4 unchanged, 3 rejected" in shown


def test_it_prints_no_noise(shown):
    assert "[info" not in shown
    assert "INFO" not in shown
    assert "Traceback" not in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_it_leaves_nothing_in_the_home(shown, home):
    assert shown
    assert list(home.iterdir()) == []
