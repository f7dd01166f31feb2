"""What docs/incremental.md says of loaders, and how its map helps them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).parents[3] / "docs" / "incremental.md"
NUL = "Before\0after"
LONG = "x" * 2_100_000


@pytest.fixture
def stream_maps():
    """The map of the page."""
    _, _, block = PAGE.read_text().partition("```yaml\nstream_maps:")
    return yaml.safe_load(block.partition("```")[0])


@pytest.fixture
def arrives(planhat):
    """Puts a conversation into the tenant."""

    def load(**properties):
        company = planhat.rows("conversations")[0]["companyId"]
        row = {"companyId": company, "description": "Short", **properties}
        planhat.ask("load/conversations", [row])

    return load


def subjects(load):
    return {row["subject"] for row in load.warehouse.rows("conversations")}


def test_postgres_takes_a_nul_only_if_the_loader_replaces_it(into_postgres, arrives):
    arrives(subject=NUL)
    run = into_postgres.project.run("run", "tap-planhat", "target-postgres")
    assert run.code == 1
    into_postgres.project.configure("target-postgres", sanitize_null_text_characters=True)
    into_postgres()
    assert "Before\ufffdafter" in subjects(into_postgres)


def test_a_map_of_the_tap_removes_a_nul(into_postgres, arrives, stream_maps):
    arrives(subject=NUL)
    into_postgres.project.configure("tap-planhat", stream_maps=stream_maps)
    into_postgres()
    assert "Beforeafter" in subjects(into_postgres)


def test_duckdb_takes_a_long_text_only_if_a_map_cuts_it(into_duckdb, arrives, stream_maps):
    arrives(subject="Long", description=LONG)
    run = into_duckdb.project.run("run", "tap-planhat", "target-duckdb")
    assert run.code == 1
    assert "max_line_size" in run.log
    into_duckdb.project.configure("tap-planhat", stream_maps=stream_maps)
    into_duckdb()
    (row,) = [
        row for row in into_duckdb.warehouse.rows("conversations") if row["subject"] == "Long"
    ]
    assert len(row["description"]) == 1_000_000


@pytest.mark.parametrize(("metadata_columns", "lost"), [(True, 0), (False, 1)])
def test_duckdb_needs_a_column_that_is_no_text(into_duckdb, planhat, metadata_columns, lost):
    project = into_duckdb.project
    project.configure("tap-planhat", _select=["campaigns._id", "campaigns.name"])
    project.configure("target-duckdb", add_metadata_columns=metadata_columns, batch_size_rows=5000)
    into_duckdb()
    assert len(into_duckdb.warehouse.rows("campaigns")) == len(planhat.rows("campaigns")) - lost
