"""meltanolabs-tap-postgres into all four resources: columns as PostgreSQL has them."""

from __future__ import annotations

import copy

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.tenant.tenant import Company

NORTH, SOUTH = "6100000000000000000000a1", "6100000000000000000000b2"
"""Companies of the tenant; the tables also refer to them as extid-71 and srcid-acc-71."""
SCHEMAS = ("public", "crm", "survey", "marketing")
COUNTS = {
    "public-tasks": 3,
    "crm-conversation": 2,
    "survey-answers": 3,
    "marketing-campaign_list": 4,
}
"""Rows by the stream's name, as the tap calls it."""

STREAM_MAPS = {
    "crm-conversation": {
        "companyId": "'extid-' + str(account)",
        "description": "body",
        "date": "happened",
        "type": "kind",
        "activityTags": "tags_json",
    },
    "survey-answers": {
        "__alias__": "nps",
        "__key_properties__": ["email", "dateSent"],
        "__else__": None,
        "email": "respondent",
        "score": "rating",
        "comment": "remark",
        "dateSent": "asked_on",
        "dateAnswered": "answered",
        "cId": "'srcid-' + account",
        "source": "'warehouse'",
    },
    "marketing-campaign_list": {
        "__alias__": "campaigns",
        "name": "title",
        "campaignPurpose": "goal",
        "companyId": "company",
        "custom__budget": "budget",
    },
}
EXPECTED = {
    "tasks": {
        "public-tasks:1": {
            "companyId": NORTH,
            "mainType": "task",
            "action": 'Call Åsa, "today"',
            "description": "<p>One</p>\nTwo",
            "startTime": "2024-05-01T08:00:00.123Z",
            "endTime": "2024-05-01T12:30:00.000Z",
            "dateDone": "2024-05-02T00:00:00.000Z",
            "activityTags": ["a", "b c"],
            "checklist": [{"text": "x", "done": False}],
            "isArchived": True,
            "repeatDays": 14,
            "custom": {"Tier": "gold", "nested": {"a": [1, None]}, "arr": 1200.5},
        },
        "public-tasks:2": {
            "companyId": NORTH,
            "mainType": "task",
            "action": "Nothing but nulls",
            "isArchived": False,
            "activityTags": [],
            "description": None,
            "startTime": None,
            "repeatDays": None,
            "custom": None,
        },
        "public-tasks:3": {
            "companyId": NORTH,
            "mainType": "event",
            "action": "Empty",
            "description": "",
            "startTime": "0099-12-31T23:00:00.000Z",
            "isArchived": False,
            "repeatDays": 0,
            "custom": {"arr": 0},
        },
    },
    "conversations": {
        "crm-conversation:11111111-aaaa-4ef8-bb6d-6bb9bd380a11": {
            "companyId": NORTH,
            "subject": "Kick-off",
            "description": "<p>Hello</p>",
            "date": "2024-01-02T03:04:05.000Z",
            "type": "meeting",
            "pinned": True,
            "activityTags": ["q1", "q2"],
        },
        "crm-conversation:22222222-aaaa-4ef8-bb6d-6bb9bd380a11": {
            "companyId": NORTH,
            "subject": "Review",
            "description": None,
            "type": "note",
            "pinned": False,
            "activityTags": [],
        },
    },
    "nps": {
        "survey-answers:ann@north.test:2024-01-02": {
            "cId": NORTH,
            "email": "ann@north.test",
            "score": 9,
            "comment": "Fine: 100%",
            "dateSent": "2024-01-02T00:00:00.000Z",
            "dateAnswered": "2024-01-03T14:00:00.000Z",
            "source": "warehouse",
        },
        "survey-answers:ann@north.test:2024-07-02": {
            "cId": NORTH,
            "score": 3,
            "comment": None,
            "dateAnswered": "2024-07-03T14:00:00.000Z",
        },
        "survey-answers:bo@south.test:2024-07-02": {"cId": SOUTH, "score": 0, "comment": ""},
    },
    "campaigns": {
        "marketing-campaign_list:9007199254740993": {
            "companyId": NORTH,
            "name": "Spring",
            "campaignPurpose": "Renewals",
            "custom": {"budget": 0.1},
        },
        "marketing-campaign_list:9007199254740992": {
            "companyId": SOUTH,
            "name": "Autumn",
            "campaignPurpose": None,
            "custom": {"budget": 1000000.0},
        },
        # As floating-point numbers these two are the same.
        "marketing-campaign_list:12345678901234567891234": {"name": "Huge"},
        "marketing-campaign_list:12345678901234567891235": {"name": "Next to it"},
    },
}
"""Resource -> generated key -> what Planhat holds; None: nothing."""


@pytest.fixture(scope="module")
def template(postgres, data):
    """A database that holds the tables."""
    database = postgres.database()
    database.run((data / "tables.sql").read_text())
    return database


@pytest.fixture
def source(postgres, template):
    """A copy of it, to change."""
    return postgres.database(template)


@pytest.fixture(scope="module")
def catalog(template, pipeline_in, tmp_path_factory):
    """What tap-postgres discovers in them, selected."""
    pipeline = pipeline_in(tmp_path_factory.mktemp("discovery"))
    return pipeline.catalog("tap-postgres", tap_config(template))


@pytest.fixture(scope="module")
def delivered(template, catalog, pipeline_in, tmp_path_factory):
    """What tap-postgres makes of them."""
    pipeline = pipeline_in(tmp_path_factory.mktemp("extraction"))
    run = pipeline.extract("tap-postgres", tap_config(template), catalog=catalog)
    assert run.code == 0, run.log
    return run.out


@pytest.fixture
def load(pipeline, planhat):
    """Runs target-planhat over what a tap delivered."""

    def run(messages, **settings):
        settings = {"stream_maps": STREAM_MAPS, **settings}
        return pipeline.load("target-planhat", planhat.config(**settings), messages)

    return run


@pytest.fixture
def loaded(load, delivered, planhat):
    """The tenant with the tables loaded."""
    assert load(delivered).code == 0
    return planhat


@pytest.fixture
def transfer(pipeline, source, planhat, catalog):
    """Runs tap-postgres into target-planhat."""

    def run(*streams, state=None, key=None, **settings):
        done = pipeline.run(
            ("tap-postgres", tap_config(source)),
            ("target-planhat", planhat.config(**{"stream_maps": STREAM_MAPS, **settings})),
            catalog=narrowed(catalog, streams, key) if streams else catalog,
            state=state,
        )
        assert done.tap_code == 0, done.tap_log
        return done

    return run


def narrowed(catalog, streams, key):
    """Return a catalog that selects some streams, read behind a replication key if given."""
    narrow = copy.deepcopy(catalog)
    for entry in narrow["streams"]:
        root = next(item["metadata"] for item in entry["metadata"] if not item["breadcrumb"])
        root["selected"] = entry["tap_stream_id"] in streams
        if key:
            entry["replication_key"] = key
            entry["replication_method"] = root["forced-replication-method"] = "INCREMENTAL"
    return narrow


def tap_config(database):
    return {**database.config, "filter_schemas": SCHEMAS}


def test_postgres_tables_fill_all_four_resources_and_a_second_run_changes_nothing(
    project, from_postgres, template, planhat
):
    from_postgres(template, *SCHEMAS)
    project.reach("target-planhat", planhat.sandbox.url, stream_maps=STREAM_MAPS)
    project.runs("tap-postgres", "target-planhat")
    planhat.assert_holds(EXPECTED)
    before = planhat.dump()
    log = project.runs("tap-postgres", "target-planhat")
    assert planhat.dump() == before
    for name, count in COUNTS.items():
        assert f"{name}: {count} read = 0 created, 0 updated, {count} unchanged" in log


def test_a_row_changed_in_postgres_changes_that_record_and_no_other(transfer, loaded, source):
    before = {name: loaded.by_key(name) for name in RESOURCES}
    source.run("UPDATE survey.answers SET rating = 4, remark = 'Better' WHERE rating = 3;")
    run = transfer()
    assert run.code == 0, run.log
    assert run.outcomes["survey-answers"] == {"read": 3, "updated": 1, "unchanged": 2}
    changed = before["nps"]["survey-answers:ann@north.test:2024-07-02"]
    changed |= {"score": 4, "comment": "Better"}
    assert {name: loaded.by_key(name) for name in RESOURCES} == before


def test_an_incremental_run_sends_the_changed_row_alone(transfer, planhat, source):
    first = transfer("public-tasks", key="updated_at")
    source.run("UPDATE tasks SET action = 'Changed', updated_at = '2024-06-01' WHERE id = 1;")
    second = transfer("public-tasks", key="updated_at", state=first.state)
    # tap-postgres reads the row at the bookmark again.
    assert second.outcomes == {"public-tasks": {"read": 2, "updated": 1, "unchanged": 1}}
    tasks = planhat.by_key("tasks")
    assert {key: task["action"] for key, task in tasks.items()} == {
        "public-tasks:1": "Changed",
        "public-tasks:2": "Nothing but nulls",
        "public-tasks:3": "Empty",
    }
    assert second.state["bookmarks"]["public-tasks"]["replication_key_value"] > "2024-06-01"


@pytest.mark.parametrize(("null_values", "left"), [("skip", True), ("send", False)])
def test_a_column_set_to_null_clears_only_what_it_is_told_to(
    transfer, loaded, source, null_values, left
):
    before = loaded.by_key("tasks")["public-tasks:1"]
    source.run(
        "UPDATE tasks SET description = NULL, start_time = NULL, activity_tags = NULL,"
        " custom = NULL, custom__arr = NULL, main_type = NULL WHERE id = 1;"
    )
    run = transfer("public-tasks", null_values=null_values)
    assert run.code == 0, run.log
    after = loaded.by_key("tasks")["public-tasks:1"]
    for name in ("description", "startTime", "activityTags"):
        assert after[name] == (before[name] if left else None)
    assert after["mainType"] == "task"
    assert after["custom"] == before["custom"] | ({} if left else {"arr": None})
    assert after["endTime"] == before["endTime"]


REASONS = {
    "No company": "`companyId` is missing",
    "Company to come": "extid-99",
    "Null among tags": "activity_tags.1",
    "Bare number": "`companyId` (column 'companyid') must be a Planhat id",
    "Mail": "`type` 'email' is reserved",
    "Tags": "`activityTags` must be a list",
    "eve@north.test": "`score` must be a whole number from 0 to 10, but is 11",
    "": "`email` is missing",
}
"""What names a bad row -> what its reason says."""


def rejected(path):
    """Return the reject file's RECORD lines by what names the row."""
    messages = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    records = [message for message in messages if message["type"] == "RECORD"]
    names = ("action", "subject", "respondent", "title")
    return {
        next(line["record"][name] for name in names if name in line["record"]): line
        for line in records
    }


def test_bad_rows_end_in_the_reject_file_with_a_reason_and_cost_no_other(
    transfer, planhat, source, data, tmp_path
):
    source.run((data / "bad_rows.sql").read_text())
    path = tmp_path / "rejects.singer"
    run = transfer(rejects_path=str(path))
    assert run.code == 3, run.log
    planhat.assert_holds(EXPECTED)
    lines = rejected(path)
    assert lines.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert reason in lines[name]["reason"]
    assert run.outcomes["public-tasks"] == {"read": 7, "created": 3, "rejected": 4}
    assert run.state["bookmarks"].keys() >= {"public-tasks", "survey-answers"}


def test_a_replayed_reject_and_the_row_itself_end_as_one_record(
    transfer, load, planhat, source, tmp_path
):
    source.run(
        "INSERT INTO tasks (companyid, action, updated_at) VALUES"
        " (NULL, 'No company', now()), ('extid-99', 'Company to come', now());"
    )
    path = tmp_path / "rejects.singer"
    transfer("public-tasks", rejects_path=str(path))
    planhat.sandbox.tenant.add_company(Company("6100000000000000000000c3", "Late", "99"))
    replay = load(path.read_bytes(), rejects_path=str(tmp_path / "rest.singer"))
    assert replay.outcomes == {"public-tasks": {"read": 2, "created": 1, "rejected": 1}}
    rerun = transfer("public-tasks", rejects_path=str(tmp_path / "again.singer"))
    assert rerun.outcomes == {"public-tasks": {"read": 5, "unchanged": 4, "rejected": 1}}
    late = planhat.by_key("tasks")["public-tasks:5"]
    assert late["companyId"] == "6100000000000000000000c3"


@pytest.mark.parametrize("hard_delete", [True, False])
def test_rows_marked_as_deleted_leave_planhat_by_hard_delete_alone(
    transfer, loaded, source, hard_delete
):
    before = loaded.by_key("tasks")
    source.run(
        "UPDATE tasks SET _sdc_deleted_at = now() WHERE id = 2;"
        "INSERT INTO tasks (companyid, action, updated_at, _sdc_deleted_at)"
        " VALUES ('extid-71', 'Never there', now(), now());"
    )
    run = transfer("public-tasks", hard_delete=hard_delete)
    assert run.code == 0, run.log
    left = "deleted" if hard_delete else "skipped"
    assert run.outcomes == {"public-tasks": {"read": 4, "unchanged": 2, left: 2}}
    gone = {"public-tasks:2"} if hard_delete else set()
    assert loaded.by_key("tasks").keys() == before.keys() - gone


def test_a_table_without_a_primary_key_is_written_once_a_column_serves_as_key(
    pipeline, planhat, postgres
):
    database = postgres.database()
    database.run(
        "CREATE TABLE campaigns (name text, companyid text, code int, UNIQUE (code));"
        "INSERT INTO campaigns VALUES ('One', 'extid-71', 1), ('Two', 'extid-71', 2);"
    )
    config = tap_config(database)
    found = pipeline.catalog("tap-postgres", config)
    messages = pipeline.extract("tap-postgres", config, catalog=found).out

    def load(**settings):
        return pipeline.load("target-planhat", planhat.config(**settings), messages)

    refused = load()
    assert refused.code == 3
    assert planhat.rows("campaigns") == []
    assert "map a column to sourceId" in refused.log
    mapped = {"public-campaigns": {"sourceId": "code"}}
    assert load(stream_maps=mapped).outcomes == {"public-campaigns": {"read": 2, "created": 2}}
    assert load(stream_maps=mapped).outcomes == {"public-campaigns": {"read": 2, "unchanged": 2}}
    assert planhat.by_key("campaigns").keys() == {"1", "2"}
