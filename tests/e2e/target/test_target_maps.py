"""Inputs of real sources, through the command: each with the map it came with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planhat_sandbox.tenant.tenant import Company

CASES = Path(__file__).parents[2] / "fixtures" / "cases"


@pytest.fixture
def load(planhat, target):
    """Feeds a case to the command, on a tenant with the companies that the cases name."""
    for number in range(3):
        company = Company(f"61000000000000000000000{number}", "Acme", f"c-{number}")
        planhat.add_company(company)

    def run(name, **settings):
        config = json.loads((CASES / f"{name}.config.json").read_text())
        return target.run((CASES / f"{name}.singer").read_bytes(), **{**config, **settings})

    return run


@pytest.fixture
def fails(load):
    """The one line that a case ends with."""

    def run(name):
        ended = load(name)
        assert ended.code == 1
        assert "Traceback" not in ended.err
        return ended.complaint

    return run


def test_a_deletion_that_holds_its_key_alone_deletes(planhat, load):
    run = load("delete-key-only")
    assert (run.code, run.states[-1]) == (0, {"bookmarks": {"n": 3}})
    assert run.figures == {"public-tickets": {"read": 3, "created": 2, "deleted": 1}}
    assert planhat.by_source_id().keys() == {"tick-1"}


def test_a_deletion_that_holds_its_key_alone_is_skipped_where_nothing_is_deleted(planhat, load):
    run = load("delete-key-only", hard_delete=False)
    assert (run.code, run.states[-1]) == (0, {"bookmarks": {"n": 3}})
    assert run.figures == {"public-tickets": {"read": 3, "created": 2, "skipped": 1}}
    assert planhat.by_source_id().keys() == {"tick-1", "tick-2"}


def test_a_record_may_lack_columns_that_its_schema_announces(planhat, load):
    run = load("sparse")
    assert (run.code, run.figures) == (0, {"tickets": {"read": 2, "created": 2}})
    assert planhat.by_source_id()["tickets:1"]["action"] == "h"


def test_a_map_may_make_lists_numbers_booleans_and_dates(planhat, load):
    run = load("computed-nontext")
    assert (run.code, run.figures) == (0, {"surveys": {"read": 1, "created": 1}})
    (task,) = planhat.rows("tasks")
    assert task["activityTags"] == ["a"]
    assert task["isArchived"] is True
    assert task["custom"] == {"Seats": 12}
    assert task["startTime"] == "2026-01-01T00:00:00.000Z"


def test_no_record_is_rejected_for_a_column_that_is_not_sent(load):
    run = load("unsent-misfit")
    assert (run.code, run.figures) == (0, {"acc": {"read": 4, "created": 4}})


def test_long_integers_keep_their_digits(planhat, load):
    run = load("bigint-str")
    assert (run.code, run.figures) == (0, {"acts": {"read": 2, "created": 2}})
    assert planhat.by_source_id().keys() == {"a-123456789012345678901", "a-123456789012345678902"}


@pytest.mark.parametrize(("hard_delete", "outcome"), [(True, "deleted"), (False, "skipped")])
def test_a_row_that_a_map_marks_as_deleted_is_not_written(planhat, load, hard_delete, outcome):
    run = load("softdelete-mapped", hard_delete=hard_delete)
    assert (run.code, run.figures) == (0, {"cases": {"read": 2, "created": 1, outcome: 1}})
    assert planhat.by_source_id().keys() == {"cases:1"}


def test_an_expression_that_fails_is_named(load):
    run = load("message-which-expression")
    assert (run.code, run.figures) == (3, {"issues": {"read": 1, "rejected": 1}})
    assert "`status`: its expression `fields['status']['name']`" in run.err
    assert "`fields['status']` is null here: write" in run.err


def test_a_map_that_drops_the_key_says_how_to_keep_it(fails):
    said = fails("message-else-null")
    assert "stream_maps.call_to_action drops the key column Gsid" in said
    assert "__else__" in said
    assert "add __key_properties__" in said


def test_a_value_that_is_not_text_in_a_map_is_named_alone(fails):
    said = fails("message-yaml-bool")
    assert said.endswith(
        'stream_maps.surveys.isArchived must be an expression in quotes, such as "False"'
    )


def test_a_schema_that_is_not_one_is_named_with_its_line_and_value(fails):
    said = fails("message-schema-type")
    assert said.endswith(
        "input line 2: SCHEMA of stream my_db-notes is not a JSON Schema: "
        'type cannot be "date-time"'
    )
