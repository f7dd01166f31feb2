"""Apache Airflow, in an environment of its own, and a Meltano project for it to run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
AIRFLOW = "apache-airflow==3.3.2"
AS_OF = "2026-11-22"
"""What Airflow needs is installed as it was on this day: later versions may not fit it."""

LOADER = """\
#!{python}
import os, sys, uuid
from pathlib import Path

path = Path(os.environ["LOADED"], uuid.uuid4().hex)
with path.open("w") as records:
    records.write(os.environ["TAP_PLANHAT_REQUESTS_PER_MINUTE"] + chr(10))
    for line in sys.stdin:
        if '"type":"STATE"' in line:
            print(line.partition('"value":')[2].rstrip()[:-1], flush=True)
        else:
            records.write(line)
"""
"""A loader that keeps what it is sent, a file a run: first the budget, then the messages."""

DRIVER = """\
import runpy, sys
from airflow.utils.db import initdb

initdb()
dag = runpy.run_path(sys.argv[1])["planhat"]()
read = dag.get_task("read")
parallel = read.max_active_tis_per_dag
read.partial_kwargs["retries"] = 0
for _ in sys.stdin:
    state = dag.test().state
    print("RUN", getattr(state, "value", state), parallel, flush=True)
"""
"""Runs the DAG once for each line that comes in."""


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
    loader.write_text(LOADER.format(python=sys.executable))
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
    return folder


@pytest.fixture
def dag_runs(airflow, project, tmp_path):
    """Runs the DAG of the documentation: `with dag_runs(...) as run`, then `run()`."""
    processes = []

    def start(**variables):
        settings = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "AIRFLOW"))
        }
        log = (tmp_path / "airflow.log").open("w")
        process = subprocess.Popen(
            [airflow, "-c", DRIVER, ROOT / "docs" / "airflow" / "planhat_dag.py"],
            env={
                **settings,
                "PATH": f"{BIN}{os.pathsep}{settings['PATH']}",
                "HOME": str(tmp_path),
                "PYTHONDONTWRITEBYTECODE": "1",
                "AIRFLOW_HOME": str(tmp_path / "airflow"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "docs" / "airflow"),
                "AIRFLOW_VAR_PLANHAT_PROJECT": str(project),
                "LOADED": str(project / "loaded"),
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        processes.append((process, log))

        def run():
            """Run it once; return its end and how many tasks may run at once."""
            process.stdin.write("\n")
            process.stdin.flush()
            seen = []
            for line in process.stdout:
                seen.append(line)
                if line.startswith("RUN "):
                    _, state, parallel = line.split()
                    return state, int(parallel), "".join(seen)
            raise AssertionError("".join(seen) + Path(log.name).read_text())

        return run

    yield start
    for process, log in processes:
        with process:
            process.stdin.close()
            process.wait(timeout=60)
        log.close()
