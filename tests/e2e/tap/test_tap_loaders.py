"""Loaders that others wrote take the tap's records, and lose no value of them."""

from __future__ import annotations

import csv
import json
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import pytest

from planhat_sandbox.demo import sample
from planhat_sandbox.tenant.tenant import Tenant

CASES = Path(__file__).with_name("cases")
CAMPAIGNS = json.loads((CASES / "open-objects.campaigns.json").read_text())
TASKS = json.loads((CASES / "absent.tasks.json").read_text())
FIRST, SECOND = (row["_id"] for row in CAMPAIGNS)
BIG = 2**64
MOST = 2**63 - 1
TEXT = 'Two\nlines, "quoted"; \\back\\slashes, \ttabs, a \u2028 and \'s'
EIGHT = datetime(2024, 5, 17, 8, tzinfo=timezone.utc)
STREAMS = ("campaigns", "conversations", "nps", "tasks")
BUCKET = "lake"


@pytest.fixture(scope="session")
def store():
    """Address of a store as S3 is one, with a bucket."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT")).close()
    yield url
    server.stop()


@pytest.fixture
def into(tmp_path, pipeline, database, request):
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

    def from_parquet(stream):
        store = request.getfixturevalue("store")
        url = f"{store}/{BUCKET}?list-type=2&prefix={tmp_path.name}/{stream}/"
        with urllib.request.urlopen(url) as answer:
            (key,) = ET.parse(answer).iterfind(".//{*}Key")  # noqa: S314
        path = tmp_path / f"{stream}.parquet"
        urllib.request.urlretrieve(f"{store}/{BUCKET}/{key.text}", path)
        with duckdb.connect() as connection:
            cursor = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def parquet():
        access = {
            "aws_access_key_id": "x",
            "aws_secret_access_key": "x",
            "aws_region": "us-east-1",
            "aws_bucket": BUCKET,
            "aws_endpoint_override": request.getfixturevalue("store"),
        }
        return {
            "format": {"format_type": "parquet"},
            "cloud_provider": {"cloud_provider_type": "aws", "aws": access},
            "prefix": tmp_path.name,
        }

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
        "target-s3": (parquet, from_parquet),
    }

    def load(loader, server, *streams, **settings):
        config = {"api_url": server.url, "api_token": "x", "requests_per_minute": 6000, **settings}
        if loader in FILES:
            config = {"flattening_enabled": True, "flattening_max_depth": 1, **config}
        catalog = pipeline.catalog("tap-planhat", config, *streams)
        target, read = loaders[loader]
        if callable(target):
            target = target()
        run = pipeline.run(("tap-planhat", config), (loader, target), catalog=catalog)
        assert (run.tap_code, run.code) == (0, 0), (run.tap_log, run.log)
        return read

    return load


NESTING = ("target-duckdb", "target-postgres", "pipelinewise-target-postgres", "target-jsonl")
FILES = ("target-csv", "target-s3")
"""Those that take no objects and lists: the first writes them as Python shows them, the other makes
Parquet files and refuses them."""
ESCAPING = ("pipelinewise-target-postgres",)
"""Those that store a line break as a backslash and an n."""


def by_id(rows):
    return {row["_id"]: row for row in rows}


def as_json(value):
    return json.loads(value) if isinstance(value, str) and value else value


def assert_open_objects(rows):
    assert as_json(rows[FIRST]["custom"]) == {"Region": "EMEA"}
    assert as_json(rows[FIRST]["usage"]) == {"6053b728fa96fa0262729a3d": 1}
    assert not as_json(rows[SECOND]["custom"])


@pytest.mark.parametrize("loader", NESTING)
def test_open_objects_reach_the_loader_flattened_too(into, odd, loader):
    with odd() as server:
        server.rows = {"campaigns": CAMPAIGNS}
        read = into(loader, server, "campaigns", flattening_enabled=True, flattening_max_depth=2)
        assert_open_objects(by_id(read("campaigns")))


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
        {
            "_id": "7" * 24,
            "__v": 4,
            "repeatDays": 10.0,
            "sortPosition": 0.1,
            "startTime": "2024-05-17T10:00:00+02:00",
            "description": TEXT,
            "activityTags": ["a, b", "Zoë 🎉"],
            "users": [{"id": "u", "name": TEXT}, {"id": None}, {"of": [1, [2]]}],
            "custom": {"Großer Wert": BIG, "Ratio": 0.1, "": None, "Tags": ["x", {"y": "z"}]},
            "fresh": {"of": [BIG]},
            **shared,
        },
        {"_id": 12345, "action": "odd id", "repeatDays": MOST, **shared},
    ]


@pytest.mark.parametrize("loader", [*NESTING, *FILES])
def test_odd_values_come_in_a_form_that_loaders_take_and_without_loss(into, odd, loader):
    with odd() as server:
        server.rows = {"campaigns": CAMPAIGNS, "tasks": odd_values()}
        read = into(loader, server, "campaigns", "tasks", page_size=2)
    assert_open_objects(by_id(read("campaigns")))
    rows = by_id(read("tasks"))
    assert rows.keys() == {"6" * 24, "7" * 24, "12345"}
    first, second, third = (
        {name.lower().strip("_"): value for name, value in row.items()}
        for _, row in sorted(rows.items(), key=lambda item: (-len(item[0]), item[0]))
    )
    assert [as_json(row["v"]) for row in (first, second)] == [3, 4]
    assert not first.get("repeatdays")
    assert [as_json(row["repeatdays"]) for row in (second, third)] == [10, MOST]
    source = odd_values()[1]
    breaks = str.maketrans({"\n": "\\n", "\t": "\\t"}) if loader in ESCAPING else {}
    assert second["description"] == TEXT.translate(breaks)
    for name in ("activityTags", "users", "custom"):
        assert as_json(second[name.lower()]) == source[name]
    assert as_json(second["other"]) == {"fresh": source["fresh"]}
    assert as_json(second["sortposition"]) == 0.1
    started = second["starttime"]
    if isinstance(started, str):
        started = datetime.fromisoformat(started.replace("Z", "+00:00"))
    assert started.replace(tzinfo=started.tzinfo or timezone.utc) == EIGHT


def plain(value):
    """Return a value as files can be compared by it: text, dates to the second."""
    if isinstance(value, str) and value[:2] == "20" and value[10:11] in ("T", " "):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="seconds")
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return json.loads(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


@pytest.mark.parametrize("loader", FILES)
def test_files_hold_all_of_a_tenant(into, tap, tenancy, loader):
    tenant = Tenant()
    sample.fill(tenant, datetime(2026, 1, 1, tzinfo=timezone.utc), 300)
    with tenancy(tenant) as planhat:
        server = planhat.sandbox
        read = into(loader, server, *STREAMS, page_size=100)
        run = tap.reads(server, *STREAMS, flattening_enabled=True, flattening_max_depth=1)
    for stream in STREAMS:
        expected, found = by_id(run.records(stream)), by_id(read(stream))
        assert len(found) == 300
        assert found.keys() == expected.keys()
        for key, record in expected.items():
            row = {name: plain(value) for name, value in found[key].items()}
            assert row == {name: plain(value) for name, value in record.items()}


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


def test_rows_spread_over_lines_and_ids_that_are_objects_make_one_line_each(tap, odd):
    bodies = [
        b'{"_id":"a","name":"compact"}',
        b'{\n  "_id": "b",\r\n  "name": "spread"\n}',
        b'{"_id":{"$oid":"c"},"name":"object"}',
        b'{"_id":"d","name":"compact"}',
    ]
    with odd() as server:
        server.pages = {
            "campaigns": lambda query: (
                (b"[" + b",".join(bodies) + b"]", 4) if query.get("offset") == "0" else (b"[]", 0)
            )
        }
        run = tap.reads(server, "campaigns", page_size=4)
    names = {record["name"]: record["_id"] for record in run.records("campaigns")}
    assert names.keys() == {"compact", "spread", "object"}
    assert json.loads(names["object"]) == {"$oid": "c"}
    assert len(run.messages) == run.out.count(b"\n")
