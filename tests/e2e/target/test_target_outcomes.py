from __future__ import annotations

import orjson


def load(singer, count, **more):
    return [singer.schema, *(singer.task(n, **more) for n in range(count)), singer.state(count)]


def test_records_are_created_and_loading_them_again_changes_nothing(planhat, target, singer):
    first = target.run(load(singer, 30))
    assert (first.code, first.states) == (0, [{"at": 30}])
    assert first.figures == {"tasks": {"read": 30, "created": 30}}
    again = target.run(load(singer, 30))
    assert again.figures == {"tasks": {"read": 30, "unchanged": 30}}
    assert planhat.by_source_id()["tasks:7"]["action"] == "call 7"


def test_standard_output_carries_state_and_nothing_else(target, singer):
    run = target.run([singer.schema, singer.task(1), singer.state(1), singer.task(2)])
    assert run.out == '{"at":1}\n'


def test_any_state_comes_out_as_it_came_and_wherever_it_is_printed(target, singer, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    states = [
        b'{"id":18446744073709551616}',
        b'{"half":"\\ud83d","high":NaN,"id":18446744073709551616}',
        '{"name":"ë"}'.encode(),
    ]
    lines = [b'{"type":"STATE","value":' + state + b"}\n" for state in states]
    run = target.run(singer.encoded([singer.schema, singer.task(1)]) + b"".join(lines[:2]))
    assert (run.code, run.out.encode()) == (0, states[1] + b"\n")
    run = target.run(lines[2])
    assert (run.code, run.states) == (0, [{"name": "ë"}])


def test_one_company_that_may_not_be_written_costs_no_other_record(planhat, target, singer):
    other = "5f1b7a9e1a2b3c4d5e6f7a77"
    planhat.control.answer("POST", ["load", "companies"], orjson.dumps({"_id": other, "name": "B"}))
    planhat.fault(deny_companies=[other], count=None)
    messages = load(singer, 10)
    messages[4]["record"]["companyId"] = other
    run = target.run(messages, rejects_path="r")
    assert run.figures == {"tasks": {"read": 10, "created": 9, "rejected": 1}}


def test_later_records_win_property_by_property(planhat, target, singer):
    one, two = singer.task(1, action="old"), singer.task(1, action="new")
    del one["record"]["companyId"]
    one["record"]["companyId"] = singer.company
    run = target.run([singer.schema, one, two])
    assert run.figures == {"tasks": {"read": 2, "created": 1, "merged": 1}}
    assert planhat.by_source_id()["tasks:1"]["action"] == "new"


def test_marked_deletions_are_skipped_and_said_once_unless_they_are_wanted(planhat, target, singer):
    target.run(load(singer, 3))
    gone = [singer.task(n, companyId=None, _sdc_deleted_at="2024-01-01T00:00:00Z") for n in (0, 1)]
    run = target.run([singer.schema, *gone])
    assert run.figures == {"tasks": {"read": 2, "skipped": 2}}
    assert run.err.count("hard_delete") == 1
    assert len(planhat.rows("tasks")) == 3
    never = singer.task(77, _sdc_deleted_at="2024-01-01T00:00:00Z")
    run = target.run([singer.schema, *gone, never, singer.state(1)], hard_delete=True)
    assert (run.code, run.states) == (0, [{"at": 1}])
    assert run.figures == {"tasks": {"read": 3, "deleted": 3}}
    assert set(planhat.by_source_id()) == {"tasks:2"}


def test_deletions_keep_their_place_among_writes(planhat, target, singer):
    gone = singer.task(1, _sdc_deleted_at="2024-01-01T00:00:00Z")
    messages = [singer.schema, singer.task(1, action="a"), gone, singer.task(1, action="b")]
    run = target.run(messages, hard_delete=True)
    assert run.figures == {"tasks": {"read": 3, "created": 2, "deleted": 1}}
    assert planhat.by_source_id()["tasks:1"]["action"] == "b"
    messages = [singer.schema, singer.task(1, action="c"), gone]
    target.run(messages, hard_delete=True)
    assert planhat.rows("tasks") == []


def test_a_dry_run_writes_nothing_and_finds_what_can_be_found(planhat, target, singer):
    messages = [*load(singer, 5), singer.task(9, companyId=None), singer.task(1)]
    gone = singer.task(3, _sdc_deleted_at="2024-01-01T00:00:00Z")
    run = target.run([*messages, gone], dry_run=True, hard_delete=True, rejects_path="r")
    assert run.code == 3
    assert run.figures == {"tasks": {"read": 8, "skipped": 6, "merged": 1, "rejected": 1}}
    assert run.states == []
    assert planhat.calls("PUT") + planhat.calls("DELETE") == []
    assert "nothing was written" in run.err
    assert (target.folder / "r").exists()


def test_streams_that_alternate_share_their_batches(planhat, target, singer):
    notes = {
        "type": "SCHEMA",
        "stream": "conversations",
        "key_properties": ["id"],
        "schema": {"properties": {"id": {"type": "integer"}, "companyId": {"type": "string"}}},
    }
    messages = [singer.schema, notes]
    for number in range(300):
        record = {"id": number, "companyId": singer.company}
        messages.append(singer.task(number))
        messages.append({"type": "RECORD", "stream": "conversations", "record": record})
    run = target.run(messages)
    assert run.figures["tasks"]["created"] == run.figures["conversations"]["created"] == 300
    assert len(planhat.calls("PUT")) == 2
