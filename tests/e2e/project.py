"""A Meltano project in a folder of its own: the clone's, with whatever a test adds to it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[2]
MELTANO = Path(sys.executable).with_name("meltano")
TOKEN = "e2e-token-7c1f93d0"
PATIENCE = 400
"""Seconds after which a run counts as hanging: four processes at work, on a machine that may have
much else to do."""
INCLUDE = "include_paths:\n- ./*.meltano.yml\n"


@dataclass(frozen=True)
class Run:
    """A run that is over."""

    code: int
    log: str


@dataclass
class Project:
    """A Meltano project."""

    folder: Path
    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    """Environment variables."""

    @classmethod
    def made(cls, folder: Path, installed: Path) -> Project:
        """Make a project below a folder.

        Args:
            folder: State, files and home go here.
            installed: The plugins of the clone's meltano.yml.
        """
        home, project = folder / "home", folder / "project"
        (project / ".meltano").mkdir(parents=True)
        (project / "output").mkdir()
        home.mkdir()
        for kind in ("extractors", "loaders"):
            (project / ".meltano" / kind).symlink_to(installed / kind, target_is_directory=True)
        (project / "meltano.yml").write_text((ROOT / "meltano.yml").read_text() + INCLUDE)
        return cls(project, home, environment(home))

    def reach(self, connector: str, url: str, **settings: Any) -> None:
        """Have a connector call a sandbox, with other settings if given."""
        self.configure(connector, api_url=url, api_token=TOKEN, **settings)

    def configure(self, plugin: str, **settings: Any) -> None:
        """Set settings of a plugin, extras such as `_metadata` as well."""
        self.settings |= variables(plugin, settings)

    def add(self, kind: str, name: str, executable: str, **definition: Any) -> None:
        """Define a plugin that is installed already.

        Args:
            kind: `extractors` or `loaders`.
            name: What it is called.
            executable: Path of the command.
            definition: As in meltano.yml.
        """
        plugin = {"name": name, "namespace": name.replace("-", "_"), "executable": executable}
        # JSON is YAML.
        content = orjson.dumps({"plugins": {kind: [{**plugin, **definition}]}})
        (self.folder / f"{name}.meltano.yml").write_bytes(content)

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
            timeout=PATIENCE,
        )
        return Run(done.returncode, done.stdout)

    def runs(self, *arguments: str) -> str:
        """Do a `meltano run` to its good end; return the log."""
        done = self.run("run", *arguments)
        assert done.code == 0, done.log
        return done.log

    def is_killed(self, *arguments: str, once: Callable[[str], bool]) -> None:
        """Start `meltano run`, and kill it and all it has started, without a warning.

        Args:
            arguments: Of `meltano run`.
            once: Called with the log so far, again and again: whether it is time.
        """
        path = self.folder / "killed.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [MELTANO, "run", *arguments],
                cwd=self.folder,
                env=self.settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + PATIENCE
            while not once(path.read_text()):
                assert process.poll() is None, path.read_text()
                assert time.monotonic() < deadline, path.read_text()
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=PATIENCE)

    def assert_untouched(self) -> None:
        """Nothing was left in the home, and the project's file is as it was."""
        assert list(self.home.iterdir()) == []
        written = (ROOT / "meltano.yml").read_text() + INCLUDE
        assert (self.folder / "meltano.yml").read_text() == written


def variables(plugin: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as environment variables: text as it stands, anything else as JSON."""
    prefix = plugin.replace("-", "_")
    return {
        f"{prefix}_{name}".upper(): value
        if isinstance(value, str)
        else orjson.dumps(value).decode()
        for name, value in settings.items()
    }


def environment(home: Path) -> dict[str, str]:
    """Return an environment without settings of the person's own, and with an empty home.

    Meltano's own logs go beside it, as the Makefile has it.
    """
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "XDG_", "PG"))
    }
    # A Hub that is not there: whatever is looked up fails the run.
    return {
        **mine,
        "HOME": str(home),
        "XDG_STATE_HOME": str(home.with_name("state")),
        "MELTANO_HUB_URL": "http://127.0.0.1:9",
    }


def installed(home: Path) -> Path:
    """Return the folder with the plugins of meltano.yml: installed once a clone, as `make` does.

    Args:
        home: Of whoever installs.
    """
    stamp = ROOT / ".meltano" / "installed"
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "meltano.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            done = subprocess.run(
                [MELTANO, "install"],
                cwd=ROOT,
                env={**environment(home), "UV_CACHE_DIR": str(cache / "uv")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.touch()
    return stamp.parent
