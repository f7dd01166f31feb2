"""Apache Airflow, in an environment of its own, and a Meltano project for it to run."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import orjson
import pytest
import yaml

from planhat_sandbox.demo import sample
from planhat_sandbox.tenant.tenant import Tenant

ROOT = Path(__file__).parents[3]
DAG = ROOT / "docs" / "airflow" / "planhat_dag.py"
BIN = Path(sys.executable).parent
AIRFLOW = "apache-airflow==3.3.2"
AS_OF = "2026-11-22"
"""What Airflow needs is installed as it was on this day: later versions may not fit it."""
PATIENCE = 150
"""Seconds after which a run counts as hanging."""
NAMES = (
    "PART",
    "LOADER",
    "TAP_PLANHAT_COMPANY_IDS",
    "TAP_PLANHAT__SELECT",
    "TAP_PLANHAT_REQUESTS_PER_MINUTE",
)
"""Variables that the DAG gives to a part's run."""

LOADER = f"""\
#!{sys.executable}
import json, os, sys, uuid
from pathlib import Path

path = Path(os.environ["LOADED"], uuid.uuid4().hex)
with path.open("w") as records:
    given = {{name: os.environ[name] for name in {NAMES} if name in os.environ}}
    print(json.dumps(given), file=records)
    for line in sys.stdin:
        if '"type":"STATE"' in line:
            print(line.partition('"value":')[2].rstrip()[:-1], flush=True)
        elif '"type":"RECORD"' in line:
            records.write(line)
"""
"""A loader that keeps what it is sent, a file a run: first the variables, then the records."""

DRIVER = """\
import runpy, sys
from airflow.utils.db import initdb

initdb()
dag = runpy.run_path(sys.argv[1])["planhat"]()
read = dag.get_task("read")
read.partial_kwargs["retries"] = 0
state = dag.test().state
print("RUN", getattr(state, "value", state), read.max_active_tis_per_dag)
"""


@dataclass(frozen=True)
class Load:
    """What one run of the loader was sent."""

    variables: dict[str, str]
    keys: frozenset[tuple[str, str]]
    """Stream and `_id` of each record."""


@dataclass
class Project:
    """A Meltano project whose parts are run by Airflow, or by the DAG's command alone."""

    folder: Path
    home: Path
    variables: dict[str, str]

    def airflow(self, python, **variables):
        """Run the DAG once; return its end and how many parts may run at once."""
        done = subprocess.run(
            [python, "-c", DRIVER, DAG],
            env={
                **self.variables,
                **variables,
                "PYTHONDONTWRITEBYTECODE": "1",
                "AIRFLOW_HOME": str(self.home / "airflow"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(DAG.parent),
                "AIRFLOW_VAR_PLANHAT_PROJECT": str(self.folder),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        end = [line.split() for line in done.stdout.splitlines() if line.startswith("RUN ")]
        assert end, done.stdout + done.stderr
        assert end[0][1] == "success", done.stdout
        return int(end[0][2])

    def at_once(self, parts, **variables):
        """Run the command of the DAG for all parts at the same time."""
        running = [
            subprocess.Popen(
                ["bash", "-c", _command()],
                cwd=self.folder,
                env={**self.variables, **variables, **part},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for part in parts
        ]
        for process in running:
            log, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, log

    def loaded(self):
        """Return what was loaded since this was last asked."""
        loads = []
        for path in (self.folder / "loaded").iterdir():
            variables, *records = map(orjson.loads, path.read_bytes().splitlines())
            keys = ((message["stream"], message["record"]["_id"]) for message in records)
            loads.append(Load(variables, frozenset(keys)))
            path.unlink()
        return loads


def _command():
    """Return the value of COMMAND in the DAG, which cannot be imported here."""
    for node in ast.parse(DAG.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMMAND":
            return ast.literal_eval(node.value)
    raise AssertionError("the DAG has no COMMAND")


@pytest.fixture
def tenant(request):
    """A tenant with as many records of each resource as the module says."""
    made = Tenant()
    sample.fill(made, datetime.now(timezone.utc), rows=request.module.ROWS)
    return made


@pytest.fixture
def planhat(tenant, tenancy):
    """It, served."""
    with tenancy(tenant) as running:
        yield running


@pytest.fixture(scope="session")
def airflow(pytestconfig):
    """Airflow's Python; installed once a clone."""
    home = Path(pytestconfig.cache.mkdir("airflow")) / f"{AIRFLOW}-{AS_OF}"
    ready = home / "ready"
    if not ready.exists():
        shutil.rmtree(home, ignore_errors=True)
        uv = [BIN / "uv", "--quiet", "--cache-dir", ROOT / ".cache" / "uv"]
        python = home / "bin" / "python"
        for arguments in (
            ["venv", "--python", sys.executable, home],
            ["pip", "install", "--exclude-newer", AS_OF, "--python", python, AIRFLOW],
        ):
            subprocess.run([*uv, *arguments], check=True)
        ready.touch()
    return home / "bin" / "python"


@pytest.fixture
def project(tmp_path):
    """A Meltano project with tap-planhat, a loader and a state backend."""
    folder = tmp_path / "project"
    (folder / "loaded").mkdir(parents=True)
    for kind in ("extractors", "loaders"):
        (folder / ".meltano" / kind).mkdir(parents=True)
    mine = yaml.safe_load((ROOT / "meltano.yml").read_text())
    tap = next(item for item in mine["plugins"]["extractors"] if item["name"] == "tap-planhat")
    del tap["pip_url"]
    tap["executable"] = str(BIN / "tap-planhat")
    loader = folder / "loader"
    loader.write_text(LOADER)
    loader.chmod(0o755)
    plugin = {
        "name": "target-postgres",
        "namespace": "target_postgres",
        "executable": str(loader),
    }
    made = {
        **{name: mine[name] for name in ("requires_meltano", "cli", "send_anonymous_usage_stats")},
        "project_id": "scaling",
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
        "state_backend": {"uri": f"file://{folder}/states"},
        "plugins": {"extractors": [tap], "loaders": [plugin]},
    }
    (folder / "meltano.yml").write_text(yaml.safe_dump(made))
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "AIRFLOW", "XDG_"))
    }
    variables = {
        **mine,
        "PATH": f"{BIN}{os.pathsep}{mine['PATH']}",
        "HOME": str(tmp_path),
        "LOADED": str(folder / "loaded"),
    }
    return Project(folder, tmp_path, variables)
