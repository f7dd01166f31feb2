"""Reads a Planhat tenant in parts, several at a time: an Airflow DAG around Meltano.

docs/scaling.md explains it. It takes two Airflow variables:

    planhat_project   Folder of a Meltano project with tap-planhat and a loader, both installed,
                      and a state backend that all workers reach.
    planhat_groups    JSON: {"<group>": ["<company _id>", ...], ...}. Bookmarks belong to a
                      group's exact list of companies: put new companies into a new group.
"""
# ruff: noqa: INP001 - a folder of DAGs is not a package

from __future__ import annotations

import json
from datetime import datetime, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Variable, dag, task

LOADER = "target-postgres"
PARALLEL = 4
"""Parts that are read at the same time."""
CALLS = 180
"""Calls a minute, of all parts together; Planhat grants a tenant 200, which others share."""

COMMAND = """\
# Runs at the same time must not share .meltano, where Meltano writes their catalog and STATE.
export MELTANO_SYS_DIR_ROOT="$PWD/.meltano/parts/$PART"
mkdir -p "$MELTANO_SYS_DIR_ROOT"
ln -sfn "$PWD/.meltano/extractors" "$PWD/.meltano/loaders" "$MELTANO_SYS_DIR_ROOT"
exec meltano run tap-planhat "$LOADER" --state-id-suffix="$PART"
"""


@dag(
    schedule="@hourly",
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # A part's STATE is for one run at a time.
    max_active_runs=1,
)
def planhat() -> None:
    """One task for each part of the tenant."""

    @task
    def parts() -> list[dict[str, str]]:
        """Return the environment of each part's run."""
        groups = Variable.get("planhat_groups", deserialize_json=True)
        found = [
            {
                "PART": name,
                "TAP_PLANHAT_COMPANY_IDS": json.dumps(companies),
                "TAP_PLANHAT__SELECT": '["conversations.*", "nps.*", "tasks.*"]',
            }
            for name, companies in groups.items()
        ]
        # Their filter takes one company: cheaper in one part for the whole tenant.
        found.append({"PART": "campaigns", "TAP_PLANHAT__SELECT": '["campaigns.*"]'})
        budget = {"LOADER": LOADER, "TAP_PLANHAT_REQUESTS_PER_MINUTE": str(CALLS // PARALLEL)}
        return [part | budget for part in found]

    BashOperator.partial(
        task_id="read",
        bash_command=COMMAND,
        cwd="{{ var.value.planhat_project }}",
        append_env=True,
        # A run that failed goes on from the STATE it left.
        retries=2,
        max_active_tis_per_dag=PARALLEL,
    ).expand(env=parts())


planhat()
