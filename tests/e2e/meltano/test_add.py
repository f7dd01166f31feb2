"""The connectors go into somebody's Meltano project as docs/operating.md says, word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMMANDS = re.search(r"```sh\n(.*?)```", (ROOT / "docs/operating.md").read_text(), re.DOTALL)[1]
PATIENCE = 600
"""Seconds to wait for a command: one of them installs both connectors."""


@pytest.fixture
def shell(tmp_path, environment_in):
    """Run commands in a new Meltano project."""
    (tmp_path / "project" / "output").mkdir(parents=True)
    (tmp_path / "project" / "meltano.yml").write_text(
        "project_id: somebodys\nsend_anonymous_usage_stats: false\n"
        "cli: {disable_version_check: true}\n"
        "default_environment: dev\nenvironments: [{name: dev}]\n"
    )
    (tmp_path / "home").mkdir()
    settings = environment_in(tmp_path / "home") | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "UV_CACHE_DIR": str(ROOT / ".cache" / "uv"),
        "REPOSITORY": str(ROOT),
    }

    def run(script):
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path / "project",
            env=settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield run
    added = yaml.safe_load((tmp_path / "project" / "meltano.yml").read_text())["plugins"]
    for plugins in added.values():
        assert [plugin["pip_url"] for plugin in plugins] == [str(ROOT)]


def test_the_commands_of_the_page_add_and_install_both_connectors(shell):
    shell(COMMANDS)
    for kind, name in (("extractors", "tap-planhat"), ("loaders", "target-planhat")):
        assert name in shell(f".meltano/{kind}/{name}/venv/bin/{name} --version")
    shell("meltano config set tap-planhat api_token secret-one")
    assert "api_token" not in shell("cat meltano.yml | grep -A1 'secret-one' || true")
    assert "secret-one" in shell("cat .env")
