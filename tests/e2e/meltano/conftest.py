"""The project's meltano.yml in a folder of its own, with the plugins the clone has installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from planhat_api.sandbox.options import Options
from planhat_api.sandbox.server import running
from planhat_api.sandbox.tenant import Tenant

ROOT = Path(__file__).parents[3]
MELTANO = Path(sys.executable).with_name("meltano")
TOKEN = "e2e-token-7c1f93d0"


def environment(home: Path) -> dict[str, str]:
    """Return an environment without settings of the person's own, and with an empty home.

    Meltano's own logs go beside it, as the Makefile has it.
    """
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "XDG_"))
    }
    # A Hub that is not there: whatever is looked up fails the run.
    return {
        **mine,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home.with_name("state")),
        "MELTANO_HUB_URL": "http://127.0.0.1:9",
    }


@dataclass(frozen=True)
class Run:
    """A run that is over."""

    code: int
    log: str


@dataclass
class Project:
    """A Meltano project."""

    folder: Path
    settings: dict[str, str]
    """Environment variables."""

    def run(self, *arguments: str, **settings: str) -> Run:
        """Run `meltano` with arguments, and environment variables besides the project's."""
        done = subprocess.run(
            [MELTANO, *arguments],
            cwd=self.folder,
            env={**self.settings, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return Run(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """Folder with the plugins of meltano.yml: installed once a clone, as `make` does."""
    stamp = ROOT / ".meltano" / "installed"
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "meltano.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            variables = environment(tmp_path_factory.mktemp("home"))
            variables["UV_CACHE_DIR"] = str(cache / "uv")
            done = subprocess.run(
                [MELTANO, "install"],
                cwd=ROOT,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.touch()
    return stamp.parent


@pytest.fixture
def tenant():
    """A tenant that takes one token only."""
    return Tenant(Options(token=TOKEN))


@pytest.fixture
def planhat(tenant):
    """A sandbox that serves it."""
    with running(tenant) as sandbox:
        yield sandbox


@pytest.fixture
def project(tmp_path, plugins, planhat):
    """A project of its own: state, files and home in a new folder, the sandbox for Planhat.

    Whatever a test runs must leave the home empty, and the project's file as it was.
    """
    folder = tmp_path / "project"
    (folder / ".meltano").mkdir(parents=True)
    shutil.copy(ROOT / "meltano.yml", folder)
    (folder / "output").mkdir()
    for kind in ("extractors", "loaders"):
        (folder / ".meltano" / kind).symlink_to(plugins / kind, target_is_directory=True)
    home = tmp_path / "home"
    home.mkdir()
    access = {
        f"{name}_{setting}": value
        for name in ("TAP_PLANHAT", "TARGET_PLANHAT")
        for setting, value in (("API_URL", planhat.url), ("API_TOKEN", TOKEN))
    }
    yield Project(folder, {**environment(home), **access})
    assert list(home.iterdir()) == []
    assert (folder / "meltano.yml").read_bytes() == (ROOT / "meltano.yml").read_bytes()


@pytest.fixture(scope="session")
def environment_in():
    """Makes an environment with a home that is given."""
    return environment
