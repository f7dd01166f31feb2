"""A CSV tap that others wrote: nothing but text, into all four resources."""

from __future__ import annotations

import orjson
import pytest

from planhat_api.resources import RESOURCES

NORTH, SOUTH = "6100000000000000000000a1", "6100000000000000000000b2"
"""Companies of the tenant."""
KEYS = {"tasks": ["Task No"], "notes": ["Id"], "nps": ["sourceId"], "campaigns": []}
STREAM_MAPS = {
    "tasks": {"custom__Tier": "tier"},
    "notes": {"__alias__": "conversations"},
}
EXPECTED = {
    "tasks": {
        "tasks:1": {
            "companyId": NORTH,
            "action": 'Call "Åsa",\nsoon',
            "description": "",
            "startTime": "2024-05-01T10:00:00.000Z",
            "dateDone": "2024-05-02T00:00:00.000Z",
            "activityTags": ["a", "b c"],
            "isArchived": True,
            "custom": {"Tier": "gold"},
        },
        "tasks:02": {
            "companyId": NORTH,
            "description": "<p>Hi</p>",
            "startTime": "2024-05-01T08:00:00.000Z",
            "dateDone": None,
            "activityTags": [],
            "isArchived": False,
        },
        "tasks:3": {"companyId": SOUTH, "mainType": "event", "custom": {"Tier": "silver"}},
    },
    "conversations": {
        "notes:n-1": {
            "companyId": NORTH,
            "subject": "Überblick",
            "pinned": True,
            "starred": False,
            "date": "2024-01-02T03:04:05.000Z",
        },
        "notes:n-2": {
            "companyId": SOUTH,
            "subject": "a;b",
            "type": "meeting",
            "pinned": False,
            "starred": True,
        },
    },
    "nps": {
        "q1": {"cId": NORTH, "score": 10, "dateAnswered": "2024-01-03T14:00:00.000Z"},
        "q2": {"cId": SOUTH, "score": 7, "comment": "007"},
        "q3": {"score": 0},
    },
}


@pytest.fixture
def read(pipeline, data):
    """Has tap-spreadsheets read CSV files: stream -> path below the data."""

    def run(**paths):
        files = [
            {
                "path": str(data / path),
                "format": "csv",
                "table_name": name,
                "primary_keys": KEYS[name],
            }
            for name, path in paths.items()
        ]
        run = pipeline.extract("tap-spreadsheets", {"files": files})
        assert run.code == 0, run.log
        return run.out

    return run


def test_csv_files_fill_all_four_resources_and_create_nothing_the_second_time(
    read, pipeline, planhat
):
    messages = read(**{name: f"csv/{name}.csv" for name in KEYS})
    settings = planhat.config(stream_maps=STREAM_MAPS)
    first = pipeline.load("target-planhat", settings, messages)
    assert first.code == 0, first.log
    planhat.assert_holds(EXPECTED)
    campaigns = {(row["companyId"], row["externalId"]) for row in planhat.rows("campaigns")}
    assert campaigns == {(NORTH, "1001"), (SOUTH, "1001")}
    before = planhat.dump()
    second = pipeline.load("target-planhat", settings, messages)
    assert len(second.outcomes) == len(RESOURCES)
    assert all(figures.keys() == {"read", "unchanged"} for figures in second.outcomes.values())
    assert planhat.dump() == before


def test_csv_text_that_is_no_value_of_its_column_is_rejected_with_the_text(
    read, pipeline, planhat, tmp_path
):
    path = tmp_path / "rejects.singer"
    messages = read(nps="bad_nps.csv")
    run = pipeline.load("target-planhat", planhat.config(rejects_path=str(path)), messages)
    assert run.code == 3
    reasons = {
        message["record"]["sourceid"]: message["reason"]
        for message in map(orjson.loads, path.read_bytes().splitlines())
        if message["type"] == "RECORD"
    }
    assert planhat.by_key("nps").keys() == {"good"}
    assert reasons.keys() == {"b1", "b2", "b3", "b4", "b5"}
    assert "from 0 to 10, but is '11'" in reasons["b1"]
    assert "from 0 to 10, but is 'ten'" in reasons["b2"]
    assert "score" in reasons["b3"]
    assert "'31/12/2024'" in reasons["b4"]
    assert "email" in reasons["b5"]
