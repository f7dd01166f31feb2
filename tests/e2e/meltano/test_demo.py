"""The demo, as `make demo` runs it."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from demo.stage import MARK, ROOT, clean

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Shown:
    """A demo that is over."""

    text: str
    home: Path


@pytest.fixture(scope="module")
def shown(meltano_plugins, environment_in, tmp_path_factory, request):
    """What the demo prints, and the home it ran in: once, whichever worker of a run is first."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    output, home = folder / "demo.txt", folder / "demo-home"
    with (folder / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            home.mkdir()
            done = subprocess.run(
                [sys.executable, "-m", "demo", folder / "demo"],
                cwd=meltano_plugins.parent,
                # Settings of a tenant of one's own must not reach it.
                env={
                    **environment_in(home),
                    "TAP_PLANHAT_API_URL": "http://127.0.0.1:9",
                    "TARGET_PLANHAT_API_URL": "http://127.0.0.1:9",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=240,
            )
            assert done.returncode == 0, done.stdout
            output.write_text(done.stdout)
    return Shown(output.read_text(), home)


def test_every_row_of_the_tenant_reaches_the_warehouse(shown):
    counts = re.findall(r"^  (\w+) +([\d,]+) +([\d,]+)$", shown.text, re.MULTILINE)
    assert [name for name, _, _ in counts] == ["campaigns", "nps", "conversations", "tasks"]
    assert all(there == here for _, there, here in counts)


def test_the_second_run_brings_the_changes_and_little_else(shown):
    lines = re.findall(r"^  (\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", shown.text, re.MULTILINE)
    new_and_changed = {name: (int(new), int(changed)) for name, _, new, changed, _ in lines}
    assert new_and_changed == {
        "campaigns": (0, 0),
        "nps": (1, 0),
        "conversations": (1, 0),
        "tasks": (1, 2),
    }
    assert sum(int(came) for _, came, *_ in lines) < 100


def test_each_ticket_is_shown_with_what_became_of_it(shown):
    fates = re.findall(r"^ +(\d{5})  .* (\w+)$", shown.text, re.MULTILINE)
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
        assert (f"\n  {number}: " in shown.text) == (fate == "rejected"), "each with its reason"


def test_a_rerun_creates_nothing(shown):
    assert "7 read = 3 created, 1 updated, 3 rejected" in shown.text
    assert "7 read = 0 created, 0 updated, 4 unchanged, 3 rejected" in shown.text


def test_it_prints_no_noise(shown):
    assert "[info" not in shown.text
    assert "INFO" not in shown.text
    assert "Traceback" not in shown.text
    *story, _ = shown.text.splitlines()  # The last line names a folder, here a long one.
    assert max(map(len, story)) <= 100


def test_it_leaves_nothing_in_the_home(shown):
    assert list(shown.home.iterdir()) == []


def test_the_recorded_transcript_is_what_it_prints(shown, meltano_plugins):
    recorded = (meltano_plugins.parent / "demo" / "transcript.txt").read_text()
    said, recorded = (text.partition("What you saw")[0] for text in (shown.text, recorded))
    assert steady(said) == steady(recorded)


@pytest.mark.parametrize("holds", ["folder", "file"])
def test_it_touches_nothing_that_it_did_not_make(tmp_path, holds):
    mine = tmp_path / "mine"
    kept = mine / "thesis.txt" if holds == "folder" else mine
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("years of work")
    done = subprocess.run(
        [sys.executable, "-m", "demo", mine],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, kept.read_text()) == (1, "years of work")
    assert done.stderr.startswith(f"\nThe demo stopped: {mine} ")
    assert "Traceback" not in done.stderr


def test_it_makes_its_own_folder_anew(tmp_path):
    empty, new = tmp_path / "empty", tmp_path / "some" / "new"
    empty.mkdir()
    for folder in (empty, new, empty, new):
        clean(folder)
        assert [path.name for path in folder.iterdir()] == [MARK]
        (folder / "warehouse.duckdb").touch()


def steady(text):
    """Return a text without what differs from run to run."""
    text = re.sub(r"\d{4}-\d{2}-\d{2}", "DATE", text)
    return re.sub(r"\(\d+ s\)", "(SECONDS)", text)
