"""The dbt package builds on what the tap and a loader have written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from planhat_api.resources import RESOURCES

DELETED = 15
FULL_TABLE = {name: {"replication-method": "FULL_TABLE"} for name in RESOURCES}
KEYS = {
    "campaigns": "campaign_id",
    "conversations": "conversation_id",
    "nps": "nps_id",
    "tasks": "task_id",
}
ROOT = Path(__file__).parents[3]
# Later releases of dbt-core fetch a part of theirs from outside PyPI.
DBT = ("dbt-duckdb==1.11.1", "dbt-core<1.12", "duckdb==1.2.2")


@pytest.fixture
def dbt(plugins, into_duckdb, tmp_path):
    """Runs dbt on the loaded tenant; returns what it printed."""
    command = plugins.environment(*DBT) / "bin" / "dbt"
    folder = shutil.copytree(ROOT / "dbt", tmp_path / "dbt")
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PLANHAT_WAREHOUSE": str(into_duckdb.warehouse.path),
    }

    def run(*arguments, fails=False):
        done = subprocess.run(
            [command, "--no-use-colors", *arguments, "--profiles-dir", "."],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    return run


@pytest.fixture
def ask(into_duckdb):
    """Runs SQL in the warehouse."""

    def run(sql):
        with duckdb.connect(str(into_duckdb.warehouse.path)) as connection:
            return connection.execute(sql).fetchall()

    return run


def test_the_models_hold_what_is_live_in_planhat_and_their_tests_see_duplicates(
    dbt, into_duckdb, planhat, ask
):
    into_duckdb()
    assert "ERROR=0" in dbt("build")
    for name in RESOURCES:
        ((found,),) = ask(f"SELECT count(*) FROM analytics.stg_planhat__{name}")  # noqa: S608
        assert found == len(planhat.rows(name))
    assert "ERROR STALE" not in dbt("source", "freshness")
    wanted = planhat.rows("tasks")[0]
    sql = "SELECT company_id, action FROM analytics.stg_planhat__tasks WHERE task_id"
    assert ask(f"{sql} = '{wanted['_id']}'") == [(wanted["companyId"], wanted.get("action"))]

    ask(f"UPDATE planhat.tasks SET _sdc_deleted_at = now() WHERE _id = '{wanted['_id']}'")  # noqa: S608
    assert ask(f"{sql} = '{wanted['_id']}'") == []

    # The loader's table has a primary key, which a copy has not.
    ask("CREATE TABLE planhat.twice AS FROM planhat.nps UNION ALL FROM planhat.nps")
    ask("DROP TABLE planhat.nps CASCADE")
    ask("ALTER TABLE planhat.twice RENAME TO nps")
    assert "unique_stg_planhat__nps_nps_id" in dbt("build", fails=True)


def test_records_that_a_rescan_names_as_deleted_are_left_out(
    dbt, into_duckdb, events, planhat, ask
):
    inventory = str(into_duckdb.project.folder / "inventory")
    into_duckdb.project.configure("tap-planhat", inventory_path=inventory, _select=["*.*"])
    into_duckdb()
    events(edits_are_dated=True).delete(DELETED)
    into_duckdb.project.configure("tap-planhat", _metadata=FULL_TABLE)
    into_duckdb()
    dbt("build")
    for name in RESOURCES:
        found = ask(f"SELECT {KEYS[name]} FROM analytics.stg_planhat__{name}")  # noqa: S608
        assert {key for (key,) in found} == {row["_id"] for row in planhat.rows(name)}
        ((loaded,),) = ask(f"SELECT count(*) FROM planhat.{name}")  # noqa: S608
        assert loaded == len(found) + DELETED


def test_a_column_that_was_not_selected_is_null(dbt, into_duckdb, ask):
    into_duckdb.project.configure("tap-planhat", _select=["*.*", "!tasks.description"])
    into_duckdb()
    dbt("build")
    assert ask("SELECT DISTINCT description FROM analytics.stg_planhat__tasks") == [(None,)]
