"""`report_path`: what was done about each record, by the real command."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest


def schema(keys, *columns):
    return {
        "type": "SCHEMA",
        "stream": "tasks",
        "key_properties": keys,
        "schema": {"properties": {name: {} for name in (*keys, *columns)}},
    }


def record(**values):
    return {"type": "RECORD", "stream": "tasks", "record": values}


def lines(path):
    return [orjson.loads(line) for line in Path(path).read_bytes().splitlines()]


def report_of(target, messages, **settings):
    path = target.folder / "report.jsonl"
    run = target.run(messages, report_path=str(path), **settings)
    return run, lines(path)


def test_the_ids_that_planhat_minted_come_back_beside_the_keys_of_the_source(
    planhat, target, singer
):
    planhat.control.tenant.options = planhat.control.tenant.options.__class__(steady=True)
    messages = [schema(["id"], "companyId")]
    messages += [record(id=number, companyId=singer.company) for number in range(50)]
    _, told = report_of(target, messages)
    minted = {row["sourceId"]: row["_id"] for row in planhat.rows("tasks")}
    assert len(told) == 51
    for line in told[:-1]:
        assert line["stream"] == "tasks"
        assert line["outcome"] == "created"
        assert line["_id"] == minted[f"tasks:{line['key']['id']}"]


def test_there_is_a_line_for_every_record_whatever_became_of_it(target, singer):
    messages = [
        schema(["id"], "companyId", "_sdc_deleted_at"),
        record(id=1, companyId=singer.company),
        record(id=1, companyId=singer.company, action="later"),
        record(id=2),
        record(id=3, companyId=singer.company, _sdc_deleted_at="2026-01-01T00:00:00Z"),
        record(id=4, companyId="5f1b7a9e1a2b3c4d5e6f7fff"),
        record(id="<b>", companyId=singer.company),
    ]
    run, told = report_of(target, messages, rejects_path="rejects", max_rejects=9)
    by_key = {line["key"]["id"]: line for line in told[:-1] if line["outcome"] != "merged"}
    assert {key: line["outcome"] for key, line in by_key.items()} == {
        1: "created",
        2: "rejected",
        3: "skipped",
        4: "rejected",
        "<b>": "created",
    }
    assert "`companyId` is missing" in by_key[2]["reason"]
    assert by_key[3]["reason"] == "It is deleted at the source, and hard_delete is off."
    figures = told[-1]["figures"]["tasks"]
    assert {name: count for name, count in figures.items() if count} == run.figures["tasks"]
    for outcome in ("created", "merged", "skipped", "rejected"):
        counted = [line for line in told[:-1] if line["outcome"] == outcome]
        assert len(counted) == figures[outcome]


def test_the_last_line_has_figures_calls_waits_and_versions(planhat, target, singer):
    planhat.fault(method="PUT", status=503, count=1)
    messages = [schema(["id"], "companyId"), record(id=1, companyId=singer.company)]
    _, told = report_of(target, messages, compare="tenant")
    last = told[-1]
    assert last["figures"]["tasks"]["created"] == 1
    assert last["calls"]["PUT /tasks"] == 2
    assert last["calls"]["GET /tasks"] == len(planhat.calls("GET"))
    assert last["waits"]["retries"] >= 0
    assert set(last["versions"]) == {"singer-planhat", "singer-sdk", "Python"}
    assert last["settings"] == {"compare": "tenant", "write_mode": "upsert"}
    assert last["host"].startswith("127.0.0.1")
    assert last["error"] == ""


def test_a_run_that_fails_reports_what_it_did_and_why_it_ended(planhat, target, singer):
    planhat.fault(method="PUT", status=401, skip=1, count=None)
    messages = [schema(["id"], "companyId")]
    messages += [record(id=number, companyId=singer.company) for number in range(4)]
    run, told = report_of(target, messages, batch_size_rows=2)
    assert run.code == 1
    outcomes = [line["outcome"] for line in told[:-1]]
    assert outcomes.count("created") == 2
    assert outcomes.count("pending") == 2
    assert "401" in told[-1]["error"]
    assert told[-1]["figures"]["tasks"]["pending"] == 2


@pytest.mark.parametrize("name", ["report.jsonl", "report.html"])
def test_it_is_private_replaced_by_the_next_run_and_holds_no_token(planhat, target, singer, name):
    path = target.folder / name
    messages = [schema(["id"], "companyId"), record(id=1, companyId=singer.company)]
    for _ in range(2):
        assert target.run(messages, report_path=str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert target.config["api_token"] not in text
    assert text.count("singer-planhat") == 1
    assert planhat.rows("tasks")[0]["_id"]


def test_a_page_shows_old_and_new_values_of_a_dry_run(planhat, target, singer):
    table = planhat.control.tenant.tables["tasks"]
    known = {"sourceId": "a", "companyId": singer.company, "action": "<Old & bold>"}
    table.put({"_id": planhat.control.tenant.new_id(), **known})
    path = target.folder / "report.html"
    messages = [
        schema(["sourceId"], "companyId", "action"),
        record(sourceId="a", companyId=singer.company, action="New"),
        record(sourceId="b", companyId=singer.company, action="New"),
    ]
    run = target.run(messages, compare="tenant", dry_run=True, report_path=str(path))
    assert run.code == 0
    text = path.read_text()
    assert "Dry run, nothing was written: of 2 records, 1 would be updated and 1 would be" in text
    assert "&lt;Old &amp; bold&gt;" in text
    assert not planhat.calls("PUT")


@pytest.mark.parametrize("content", ["id,name\n1,a\n", '{"type":"STATE","value":1}\n'])
def test_a_file_that_is_no_report_is_never_overwritten(target, singer, content):
    path = target.folder / "mine.jsonl"
    path.write_text(content)
    run = target.run([singer.schema], report_path=str(path))
    assert run.code == 1
    assert "holds something other than a report" in run.complaint
    assert "Traceback" not in run.err
    assert path.read_text() == content


def test_it_cannot_be_the_reject_file_nor_end_in_anything_else(target, singer):
    path = str(target.folder / "both.jsonl")
    run = target.run([singer.schema], report_path=path, rejects_path=path)
    assert run.code == 1
    assert "report_path is a file that is in use" in run.complaint
    run = target.run([singer.schema], report_path="report.txt")
    assert run.code == 1
    assert "report_path" in run.complaint
