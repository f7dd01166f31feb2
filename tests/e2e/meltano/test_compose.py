"""The services of docker-compose/, as far as they can be run without containers."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pytest
import yaml

from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.tenant.tenant import Tenant

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docker-compose"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
BIN = Path(sys.executable).parent
ROWS = 40


@pytest.fixture
def sandbox(tenancy):
    """What the service `sandbox` serves, with fewer records."""
    fill = partial(sample.fill, now=datetime.now(timezone.utc), rows=ROWS)
    with tenancy(Tenant(SandboxOptions(), sample=fill)) as planhat:
        yield planhat


@pytest.fixture
def variables(sandbox, database, tmp_path):
    """Those of the service `meltano`, with the addresses of this test."""
    here = {
        "PLANHAT_URL": sandbox.sandbox.url,
        "WAREHOUSE_HOST": database.config["host"],
        "WAREHOUSE_PORT": str(database.config["port"]),
        "WAREHOUSE_USER": database.config["user"],
        "WAREHOUSE_PASSWORD": database.config["password"],
        "WAREHOUSE_DATABASE": database.config["database"],
        "MELTANO_STATE_BACKEND_URI": f"file://{tmp_path}/state",
    }
    given = SERVICES["meltano"]["environment"]
    assert here.keys() < given.keys()
    return {**given, **here}


@pytest.fixture
def image(project):
    """The project of the image, made as the Dockerfile does."""
    mine = (project.folder / "meltano.yml").read_text()
    shutil.copy(FOLDER / "meltano.yml", project.folder)
    for kind in ("extractors", "loaders"):
        (project.folder / ".meltano" / kind).unlink()
    for name in [name for name in project.settings if name.startswith(("TAP_", "TARGET_"))]:
        del project.settings[name]
    project.settings["PATH"] = os.pathsep.join((str(BIN), project.settings["PATH"]))
    project.settings["UV_CACHE_DIR"] = str(ROOT / ".cache" / "uv")
    made = project.run("install")
    assert made.code == 0, made.log
    yield project
    (project.folder / "meltano.yml").write_text(mine)


def test_the_sample_data_reaches_postgresql_and_a_second_sync_adds_nothing(
    image, database, variables
):
    meltano, *command = SERVICES["meltano"]["command"]
    assert meltano == "meltano"
    for _ in range(2):
        done = image.run(*command, **variables)
        assert done.code == 0, done.log
        for name in sample.ROWS:
            assert len(database.rows(f"planhat.{name}")) == ROWS, name
