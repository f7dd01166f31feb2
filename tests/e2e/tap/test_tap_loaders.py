"""Loaders that others wrote take the tap's records, and lose no value of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pytest

CASES = Path(__file__).with_name("cases")
CAMPAIGNS = json.loads((CASES / "open-objects.campaigns.json").read_text())
TASKS = json.loads((CASES / "absent.tasks.json").read_text())
FIRST, SECOND = (row["_id"] for row in CAMPAIGNS)
BIG = 2**64


@pytest.fixture
def into(tmp_path, pipeline, database):
    """Run the tap into a loader; return what that holds then, by stream."""
    postgres = database.config | {"default_target_schema": "planhat"}

    def from_postgres(stream):
        return database.rows(f"planhat.{stream}")

    def from_duckdb(stream):
        with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as connection:
            cursor = connection.execute(f"SELECT * FROM planhat.{stream}")  # noqa: S608
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def from_jsonl(stream):
        (path,) = tmp_path.glob(f"out/{stream}*.jsonl")
        return list(map(json.loads, path.read_text().splitlines()))

    def from_csv(stream):
        (path,) = tmp_path.glob(f"out/{stream}*.csv")
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    loaders = {
        "target-duckdb": (
            {
                "path": str(tmp_path / "w.duckdb"),
                "default_target_schema": "planhat",
                "add_metadata_columns": True,
            },
            from_duckdb,
        ),
        "target-postgres": (postgres, from_postgres),
        "pipelinewise-target-postgres": (
            {**postgres, "dbname": database.config["database"]},
            from_postgres,
        ),
        "target-jsonl": (
            {"destination_path": str(tmp_path / "out"), "do_timestamp_file": False},
            from_jsonl,
        ),
        "target-csv": ({"output_path": str(tmp_path / "out")}, from_csv),
    }

    def load(loader, server, *streams, **settings):
        config = {"api_url": server.url, "api_token": "x", "requests_per_minute": 6000, **settings}
        catalog = pipeline.catalog("tap-planhat", config, *streams)
        target, read = loaders[loader]
        run = pipeline.run(("tap-planhat", config), (loader, target), catalog=catalog)
        assert (run.tap_code, run.code) == (0, 0), (run.tap_log, run.log)
        return read

    return load


LOADERS = (
    "target-duckdb",
    "target-postgres",
    "pipelinewise-target-postgres",
    "target-jsonl",
    "target-csv",
)


def by_id(rows):
    return {row["_id"]: row for row in rows}


def as_json(value):
    return json.loads(value) if isinstance(value, str) and value else value


@pytest.mark.parametrize("depth", [None, 2])
@pytest.mark.parametrize("loader", LOADERS)
def test_open_objects_reach_the_loader_flattened_or_not(into, odd, loader, depth):
    if loader == "target-csv" and not depth:
        pytest.skip("it writes objects as Python shows them")
    settings = {}
    if depth is not None:
        settings = {"flattening_enabled": True, "flattening_max_depth": depth}
    with odd() as server:
        server.rows = {"campaigns": CAMPAIGNS}
        rows = by_id(into(loader, server, "campaigns", **settings)("campaigns"))
    assert as_json(rows[FIRST]["custom"]) == {"Region": "EMEA"}
    assert as_json(rows[FIRST]["usage"]) == {"6053b728fa96fa0262729a3d": 1}
    assert not as_json(rows[SECOND]["custom"])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_every_key_of_every_record_is_in_its_schema_however_flattened(tap, odd, depth):
    with odd() as server:
        server.rows = {"campaigns": CAMPAIGNS, "tasks": TASKS}
        run = tap.reads(server, flattening_enabled=True, flattening_max_depth=depth)
    for schema in run.of("SCHEMA"):
        for record in run.records(schema["stream"]):
            columns = schema["schema"]["properties"].keys()
            # At depth 0 nothing is flattened, so no column is made.
            assert record.keys() == columns or (depth == 0 and record.keys() <= columns)


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ({"__filter__": "status != 'done'"}, [None, "d"]),
        ({"description": "description or ''"}, ["", "d"]),
    ],
)
def test_a_property_that_planhat_leaves_out_is_null_to_a_stream_map(tap, odd, maps, expected):
    with odd() as server:
        server.rows = {"tasks": TASKS}
        run = tap.reads(server, "tasks", stream_maps={"tasks": maps})
    assert [record["description"] for record in run.records("tasks")] == expected


def test_the_columns_of_a_file_are_those_of_the_schema_not_of_the_first_record(into, odd):
    with odd() as server:
        server.rows = {"tasks": TASKS}
        read = into("target-csv", server, "tasks", flattening_enabled=True, flattening_max_depth=1)
        rows = read("tasks")
    assert [row["description"] for row in rows] == ["", "d"]
    assert rows[1]["updatedAt"].startswith("2024-01-01")


def odd_values():
    deep = "end"
    for _ in range(400):
        deep = {"a": deep}
    times = {
        "startTime": "2024-05-17T10:00:00+02:00",
        "endTime": "2024-05-17T10:00:00.123456789012345Z",
        "dateDone": "0000-01-01T00:00:00.000Z",
        "createdAt": "2016-12-31T23:59:60Z",
    }
    shared = {"updatedAt": "2024-01-01T00:00:00.000Z", "isArchived": False}
    return [
        {
            "_id": "6" * 24,
            "__v": 3.0,
            "repeatDays": BIG,
            "custom": {"Deep": deep},
            **times,
            **shared,
        },
        {"_id": "7" * 24, "__v": 4, "repeatDays": 10.0, **shared},
        {"_id": 12345, "action": "odd id", **shared},
    ]


@pytest.mark.parametrize("loader", LOADERS[:-1])
def test_values_that_loaders_refuse_come_in_a_form_they_take(into, odd, loader):
    with odd() as server:
        server.rows = {"tasks": odd_values()}
        rows = by_id(into(loader, server, "tasks", page_size=2)("tasks"))
    assert rows.keys() == {"6" * 24, "7" * 24, "12345"}
    first, second = rows["6" * 24], rows["7" * 24]
    version = next(name for name in first if name.strip("_") == "v")
    repeats = next(name for name in first if name.lower() == "repeatdays")
    assert (first[version], second[version]) == (3, 4)
    assert (first.get(repeats), second[repeats]) == (None, 10)


def test_values_that_loaders_refuse_are_told_of_once(tap, odd):
    with odd() as server:
        server.rows = {"tasks": odd_values()}
        run = tap.reads(server, "tasks")
    records = by_id(run.records("tasks"))
    record = records["6" * 24]
    assert record["startTime"] == "2024-05-17T08:00:00.000Z"
    assert record["endTime"] == "2024-05-17T10:00:00.123Z"
    assert (record["dateDone"], record["createdAt"], record["repeatDays"]) == (None, None, None)
    assert run.err.count("such values become null") == 3
    assert '"__v":3,' in run.out.decode()
    deepest = record["custom"]["Deep"]
    while deepest != "end":
        deepest = json.loads(deepest) if isinstance(deepest, str) else deepest["a"]


@pytest.mark.parametrize("bad", [{"_id": None}, {"_id": ""}, {}])
def test_a_row_without_an_id_fails_the_run_once_all_else_is_read(tap, odd, bad):
    good = [{"_id": f"{number:024x}", "name": "n"} for number in range(1, 30)]
    with odd() as server:
        server.rows = {
            "campaigns": [*good[:20], {"name": "lost", **bad}, *good[20:]],
            "conversations": [{"_id": "6" * 24, "subject": "s"}],
        }
        run = tap(server, "campaigns", "conversations", page_size=7)
    assert run.code == 1
    assert set(run.ids("campaigns")) == {row["_id"] for row in good}
    assert run.ids("conversations") == ["6" * 24]
    assert "campaigns: 1 rows have no id and were left out" in run.complaint
    assert "Traceback" not in run.err
