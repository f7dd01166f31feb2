"""Rescans emit what changed and tell what is gone, whatever happens to tenant, runs and files."""

from __future__ import annotations

import json
import os
import random
import signal
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions, TaskDates
from planhat_sandbox.tenant.tenant import Tenant

NOW = datetime.now(timezone.utc)
STREAMS = ("campaigns", "conversations", "nps", "tasks")
OLD = "2020-01-01T00:00:00.000Z"
COUNT = 400


def tenant_of(rows=COUNT, **options):
    tenant = Tenant(SandboxOptions(**options))
    sample.fill(tenant, NOW, rows)
    return tenant


class Warehouse:
    """Runs the tap as a pipeline does, and holds what a loader would."""

    def __init__(self, tap, planhat, **config):
        self.tap, self.planhat, self.state = tap, planhat, None
        self.config = {"inventory_path": "inventory", "page_size": 100, **config}
        self.rows = {stream: {} for stream in STREAMS}
        self.gone = []

    def run(self, *, aged=True, code=0, **config):
        """Run to the end; `aged`: rescans are due."""
        catalog = self.tap.catalog(*STREAMS, "deletions")
        given = {**self.config, **config}
        state = self.aged() if aged else self.state
        run = self.tap(self.planhat.sandbox, catalog=catalog, state=state, **given)
        assert run.code == code, run.err
        self.load(run)
        return run

    def aged(self):
        state = json.loads(json.dumps(self.state or {}))
        for bookmark in state.get("bookmarks", {}).values():
            if "full_read_at" in bookmark:
                bookmark["full_read_at"] = OLD
        return state or None

    def load(self, run):
        for message in run.messages:
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD" and message["stream"] == "deletions":
                record = message["record"]
                assert record["_id"] not in self.exists(record["stream"])
                self.gone.append((record["stream"], record["_id"]))
            elif message["type"] == "RECORD":
                self.rows[message["stream"]][message["record"]["_id"]] = message["record"]

    def exists(self, stream):
        name = "npsId" if stream == "nps" else "_id"
        return {row.get(name, row["_id"]) for row in self.planhat.rows(stream)}

    def left(self, stream):
        gone = {row_id for of, row_id in self.gone if of == stream}
        return self.rows[stream].keys() - gone

    def assert_equal(self):
        for stream in STREAMS:
            assert self.left(stream) == self.exists(stream)


def call(planhat, method, path, body=None):
    request = urllib.request.Request(
        f"{planhat.sandbox.url}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer x", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def change(planhat, **changes):
    for stream in STREAMS:
        planhat.ask("changes", {"resource": stream, "every": 0, **changes})


def count(run, stream):
    return len(run.records(stream))


def calls(planhat):
    return planhat.ask("stats")["total"]


@pytest.mark.parametrize("span", ["years", "an hour"])
def test_a_rescan_emits_the_rows_that_were_edited_and_no_others(tap, tenancy, span):
    with tenancy(tenant_of(20 if span == "an hour" else COUNT)) as planhat:
        if span == "an hour":
            company = planhat.rows("conversations")[0]["companyId"]
            items = [{"companyId": company, "subject": f"Mail {n}"} for n in range(900)]
            call(planhat, "PUT", "/conversations", items)
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        ids = sorted(warehouse.exists("conversations"))
        edited = random.Random(1).sample(ids, 20)
        call(planhat, "PUT", "/conversations", [{"_id": each, "subject": "New"} for each in edited])
        run = warehouse.run()
        assert sorted(run.ids("conversations")) == sorted(edited)
        assert run.records("campaigns") == run.records("nps") == run.records("deletions") == []
        total = len(ids)
        assert f"conversations: the rescan emitted 20 of {total:,} rows" in run.err
        assert warehouse.run().of("RECORD") == []


FULL = {"campaigns": 300, "conversations": 500, "nps": 300, "tasks": 3000}


@pytest.mark.parametrize(
    ("empty", "dates"),
    [((), "some"), ((), "none"), (("campaigns", "nps"), "few"), (STREAMS, "all")],
)
def test_nothing_new_takes_eight_calls_and_brings_no_undated_task_again(tap, tenancy, empty, dates):
    rows = {**FULL, **dict.fromkeys(empty, 0)}
    with tenancy(tenant_of(rows, task_dates=TaskDates(dates))) as planhat:
        warehouse = Warehouse(tap, planhat, page_size=2000)
        warehouse.run()
        undated = sum("updatedAt" not in row for row in planhat.rows("tasks"))
        assert undated or "tasks" in empty
        before = calls(planhat)
        run = warehouse.run(aged=False)
        assert calls(planhat) - before <= 8
        assert count(run, "tasks") <= 50


def test_what_is_gone_is_told_once_while_everything_changes(tap, tenancy):
    with tenancy(tenant_of()) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        for stream in STREAMS:
            flips = {"archive": 3, "reopen": 3} if stream == "tasks" else {}
            changes = {"insert": 2, "update": 4, "delete": 2, **flips}
            planhat.ask("changes", {"resource": stream, "every": 2, "count": 12, **changes})
        for turn in range(5):
            warehouse.run(aged=turn % 2 == 0)
        warehouse.run()
        warehouse.run()
        assert len(set(warehouse.gone)) == len(warehouse.gone) > 20
        warehouse.assert_equal()
        assert warehouse.run().of("RECORD") == []


def test_runs_that_are_killed_lose_no_edit_and_no_deletion(tap, tenancy, run_of):
    with tenancy(tenant_of(1500)) as planhat:
        warehouse = Warehouse(tap, planhat, page_size=50)
        warehouse.run()
        chance = random.Random(1)
        catalog = tap.catalog(*STREAMS, "deletions")
        for _ in range(8):
            change(planhat, update=150, delete=20, insert=10)
            given = {**warehouse.config, "state": warehouse.aged(), "catalog": catalog}
            with tap.start(planhat.sandbox, **given) as process:
                out = process.stdout.read(chance.randrange(200_000))
                process.send_signal(signal.SIGKILL)
                out, err = out + process.stdout.read(), process.stderr.read()
            warehouse.load(run_of(process.returncode, out, err.decode()))
        warehouse.run()
        warehouse.run()
        warehouse.assert_equal()
        run = warehouse.run()
        assert run.of("RECORD") == []
        for stream in ("campaigns", "conversations", "tasks"):
            for row in planhat.rows(stream):
                assert warehouse.rows[stream][row["_id"]]["companyId"] == row["companyId"]


def test_rows_that_only_left_the_companies_are_not_deletions(tap, tenancy):
    with tenancy(tenant_of()) as planhat:
        rows = planhat.rows("tasks")
        companies = sorted({row["companyId"] for row in rows})[:8]
        warehouse = Warehouse(tap, planhat, company_ids=companies)
        warehouse.run()
        ours = sorted(warehouse.rows["tasks"])
        other = next(row["companyId"] for row in rows if row["companyId"] not in companies)
        call(planhat, "PUT", "/tasks", [{"_id": ours[0], "companyId": other}])
        call(planhat, "DELETE", f"/tasks/{ours[1]}")
        run = warehouse.run()
        assert [each["_id"] for each in run.records("deletions")] == [ours[1]]
        # Another range: everything comes, nothing is named.
        call(planhat, "DELETE", f"/tasks/{ours[2]}")
        run = warehouse.run(company_ids=companies[:7])
        assert run.records("deletions") == []
        assert count(run, "tasks") > 0
        assert warehouse.run(company_ids=companies[:7]).of("RECORD") == []


@pytest.mark.parametrize("harm", ["removed", "cut", "altered"])
def test_without_a_file_everything_comes_once_and_one_line_says_so(tap, tenancy, tmp_path, harm):
    with tenancy(tenant_of(100)) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        base = warehouse.state["bookmarks"]["conversations"]["inventory"]["base"]
        path = tmp_path / "inventory" / base
        if harm == "removed":
            path.unlink()
        else:
            data = path.read_bytes()
            path.write_bytes(data[:-1] if harm == "cut" else data[:-1] + b"!")
        change(planhat, delete=5)
        run = warehouse.run()
        assert len(run.ids("conversations")) == 95
        assert {each["stream"] for each in run.records("deletions")} == {
            "campaigns",
            "nps",
            "tasks",
        }
        assert sum("the inventory cannot be used" in line for line in run.err.splitlines()) == 1
        assert warehouse.run().of("RECORD") == []


def test_what_cannot_be_written_ends_the_run_before_a_state_names_it(tap, tenancy, tmp_path):
    (tmp_path / "file").touch()
    with tenancy(tenant_of(50)) as planhat:
        warehouse = Warehouse(tap, planhat, inventory_path="file/inventory")
        run = warehouse.run(code=1)
    assert "inventory_path file/inventory cannot be written: Not a directory" in run.complaint
    assert run.of("RECORD") == []
    assert "Traceback" not in run.err
    for message in run.of("STATE"):
        assert "base" not in json.dumps(message)


def test_a_full_disk_ends_the_run_in_words(tap, tenancy, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # A limit on the size of files acts as a full disk does, on the inventory alone.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, tap_planhat.inventory.folder as folder\n"
        "def full(_): raise OSError(28, os.strerror(28))\n"
        "folder.os.fsync = full\n"
    )
    with tenancy(tenant_of(50)) as planhat:
        run = Warehouse(tap, planhat).run(code=1)
    assert "inventory_path inventory cannot be written: No space left on device" in run.complaint
    assert run.of("RECORD") == []


def test_without_an_inventory_deletions_are_left_out_and_a_warning_says_why(tap, tenancy):
    with tenancy(tenant_of(50)) as planhat:
        warehouse = Warehouse(tap, planhat, inventory_path=None)
        first = warehouse.run()
        planhat.ask("changes", {"resource": "tasks", "every": 0, "delete": 5})
        second = tap.reads(
            planhat.sandbox,
            state=warehouse.aged(),
            catalog=tap.catalog(*STREAMS, "deletions"),
            **warehouse.config,
        )
    for run in (first, second):
        assert run.err.count("deletions is left out: it needs the setting inventory_path") == 1
        assert [each["stream"] for each in run.of("SCHEMA")] == sorted(STREAMS)
    assert {each["stream"] for each in first.of("RECORD")} == set(STREAMS)


def test_without_an_inventory_a_rescan_says_what_one_would_save(tap, tenancy):
    with tenancy(tenant_of(100)) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.config.pop("inventory_path")
        warehouse.load(tap.reads(planhat.sandbox, *STREAMS, **warehouse.config))
        run = tap.reads(planhat.sandbox, *STREAMS, state=warehouse.aged(), **warehouse.config)
    assert count(run, "conversations") == 100
    told = {
        line.split("|")[-1].split(":")[0].strip()
        for line in run.err.splitlines()
        if "with the setting inventory_path" in line
    }
    assert told >= {"campaigns", "conversations", "nps"}


def test_properties_that_change_by_themselves_can_be_ignored(tap, tenancy):
    with tenancy(tenant_of(100)) as planhat:
        ignores = {"rescan_ignores": ["custom.Days in Phase", "snippet"]}
        warehouse = Warehouse(tap, planhat, **ignores)
        warehouse.run()
        ids = sorted(warehouse.exists("conversations"))
        for days in (1, 2):
            items = [{"_id": each, "custom": {"Days in Phase": days}} for each in ids]
            items[3] |= {"subject": f"Changed {days}"}
            call(planhat, "PUT", "/conversations", items)
            run = warehouse.run()
        assert run.ids("conversations") == [ids[3]]
        items = [{"_id": each, "custom": {"Seats": 1}} for each in ids]
        call(planhat, "PUT", "/conversations", items)
        run = warehouse.run()
        assert count(run, "conversations") == 100
        assert "name them in the setting rescan_ignores" in run.err


def test_two_runs_at_once_on_one_folder_and_from_one_state_do_no_harm(tap, tenancy, run_of):
    with tenancy(tenant_of()) as planhat:
        warehouse = Warehouse(tap, planhat, page_size=40)
        warehouse.run()
        change(planhat, update=100, delete=10)
        catalog = tap.catalog(*STREAMS, "deletions")
        given = {**warehouse.config, "state": warehouse.aged(), "catalog": catalog}
        both = [tap.start(planhat.sandbox, **given) for _ in range(2)]
        for process in both:
            out, err = process.communicate()
            assert process.returncode == 0, err.decode()
            warehouse.load(run_of(0, out, err.decode()))
        assert sorted(set(warehouse.gone)) == sorted(warehouse.gone[: len(warehouse.gone) // 2])
        change(planhat, update=10, delete=10)
        warehouse.run()
        warehouse.run()
        warehouse.assert_equal()
        assert warehouse.run().of("RECORD") == []


def test_a_full_table_emits_everything_and_tells_deletions_too(tap, tenancy):
    with tenancy(tenant_of(100)) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        change(planhat, delete=7)
        catalog = tap.catalog(*STREAMS, "deletions", method="FULL_TABLE")
        run = tap.reads(planhat.sandbox, catalog=catalog, state=warehouse.state, **warehouse.config)
        warehouse.load(run)
        assert [count(run, stream) for stream in STREAMS] == [93] * 4
        assert count(run, "deletions") == 28
        warehouse.assert_equal()


def test_inventories_are_kept_in_a_bucket(tap, tenancy, monkeypatch):
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        access = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "secret-of-the-bucket"}
        where = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
        for name, value in {**access, **where}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="kept")
        with tenancy(tenant_of(60)) as planhat:
            warehouse = Warehouse(tap, planhat, inventory_path="s3://kept/planhat")
            warehouse.run()
            change(planhat, delete=3, update=5)
            run = warehouse.run()
            assert count(run, "conversations") <= 5
            assert count(run, "deletions") == 12
            warehouse.assert_equal()
            run = Warehouse(tap, planhat, inventory_path="s3://other/planhat").run(code=1)
            assert "inventory_path s3://other/planhat cannot be" in run.complaint
            assert run.of("RECORD") == []
            assert os.environ["AWS_SECRET_ACCESS_KEY"] not in run.err
    finally:
        server.stop()


def test_a_reversed_edit_is_seen_too(tap, tenancy):
    with tenancy(tenant_of(100)) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        row = planhat.rows("campaigns")[3]
        for name in ("Other", row["name"]):
            call(planhat, "PUT", "/campaigns", [{"_id": row["_id"], "name": name}])
            run = warehouse.run()
            assert [each["name"] for each in run.records("campaigns")] == [name]


def test_a_narrower_token_looks_like_many_deletions_and_names_none_at_first(tap, tenancy):
    with tenancy(tenant_of(400)) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        change(planhat, delete=250)
        run = warehouse.run()
        assert run.records("deletions") == []
        assert run.err.count("more than half of the rows") == len(STREAMS)
        assert run.of("RECORD") == []
        run = warehouse.run()
        assert count(run, "deletions") == 1000
        warehouse.assert_equal()


def test_an_unfinished_state_that_is_put_back_days_later_is_gone_on_with(tap, tenancy):
    with tenancy(tenant_of(300)) as planhat:
        warehouse = Warehouse(tap, planhat)
        run = warehouse.run()
        states = [message["value"] for message in run.of("STATE")]
        middle = next(state for state in states if "nps" in state["bookmarks"])
        change(planhat, update=20, delete=5)
        warehouse.run()
        change(planhat, update=20, delete=5)
        warehouse.run()
        warehouse.state = middle
        warehouse.run(aged=False)
        warehouse.run()
        warehouse.assert_equal()
        assert warehouse.run().of("RECORD") == []


def test_moments_of_deletions_enclose_them(tap, tenancy):
    with tenancy(tenant_of(50)) as planhat:
        warehouse = Warehouse(tap, planhat)
        warehouse.run()
        change(planhat, delete=1)
        run = warehouse.run()
    for record in run.records("deletions"):
        after, before = (
            datetime.fromisoformat(record[name].replace("Z", "+00:00"))
            for name in ("deleted_after", "deleted_before")
        )
        assert after <= before <= datetime.now(timezone.utc) + timedelta(minutes=1)
