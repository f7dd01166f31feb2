from __future__ import annotations

import json
import stat

import orjson


def load(singer, count, **more):
    return [singer.schema, *(singer.task(n, **more) for n in range(count)), singer.state(count)]


def test_one_bad_record_is_kept_with_its_reason_and_replayed_once_mended(planhat, target, singer):
    messages = load(singer, 20)
    stranger = "5f1b7a9e1a2b3c4d5e6f7a99"
    messages[8]["record"]["companyId"] = stranger
    run = target.run(messages, rejects_path="rejects.singer")
    assert run.code == 3
    assert "max_rejects" in run.complaint
    assert run.figures == {"tasks": {"read": 20, "created": 19, "rejected": 1}}
    assert run.states == [{"at": 20}]
    path = target.folder / "rejects.singer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    schema, kept = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert schema == singer.schema
    assert kept["record"] == messages[8]["record"]
    assert stranger in kept["reason"]
    assert (kept["stream"], kept["status"], len(kept["batch"])) == ("tasks", 206, 32)
    still = target.run(path.read_bytes(), rejects_path="second.singer", max_rejects=1)
    assert (still.code, still.figures) == (0, {"tasks": {"read": 1, "rejected": 1}})
    planhat.control.answer(
        "POST", ["load", "companies"], orjson.dumps({"_id": stranger, "name": "New"})
    )
    mended = target.run(path.read_bytes())
    assert (mended.code, mended.figures) == (0, {"tasks": {"read": 1, "created": 1}})
    assert len(planhat.rows("tasks")) == 20


def test_a_reject_stops_state_where_there_is_no_reject_file(target, singer):
    messages = [
        singer.schema,
        *(singer.task(n) for n in range(5)),
        singer.state("before"),
        singer.task(5, companyId=None),
        singer.state("behind"),
        *(singer.task(n) for n in range(6, 9)),
        singer.state("end"),
    ]
    run = target.run(messages, max_rejects=10)
    assert run.code == 3
    assert "rejects_path" in run.complaint
    assert run.states == [{"at": "before"}]
    assert run.figures == {"tasks": {"read": 9, "created": 8, "rejected": 1}}


def test_each_rejected_record_is_named_by_stream_key_and_input_line(target, singer):
    messages = [singer.schema, singer.task(5), singer.state(1), singer.task(6, companyId=None)]
    run = target.run([*messages, singer.task(7, companyId=None)])
    lines = [line for line in run.err.splitlines() if " rejected: " in line]
    assert "Input line 4: tasks id 6 rejected: " in lines[0]
    assert "Input line 5: tasks id 7 rejected: " in lines[1]
    assert len(lines) == 3
    many = [singer.task(n, companyId=None) for n in range(101)]
    run = target.run([singer.schema, *many])
    assert run.err.count("Input line ") == 100
    assert "further ones" in run.err
    run = target.run([singer.schema, *many], rejects_path="r")
    assert run.err.count("Input line ") == 5


def test_rejects_within_the_limit_are_no_failure(target, singer):
    run = target.run(
        [singer.schema, singer.task(1, companyId=None), singer.state(1)],
        rejects_path="rejects.singer",
        max_rejects=1,
    )
    assert (run.code, run.states) == (0, [{"at": 1}])


def test_a_reject_file_keeps_what_earlier_runs_left_and_half_a_line_spoils_nothing(target, singer):
    path = target.folder / "rejects.singer"
    bad = [singer.schema, singer.task(1, companyId=None)]
    target.run(bad, rejects_path="rejects.singer")
    before = path.read_bytes()
    path.write_bytes(before + b'{"type": "RECORD", "stream": "ta')
    run = target.run(bad, rejects_path="rejects.singer")
    assert "half a line" in run.err
    assert path.read_bytes().startswith(before)
    assert [json.loads(line)["type"] for line in path.read_bytes().splitlines()] == [
        "SCHEMA",
        "RECORD",
    ] * 2


def test_a_run_without_rejects_leaves_no_file(target, singer):
    target.run(load(singer, 1), rejects_path="rejects.singer")
    assert not (target.folder / "rejects.singer").exists()


def test_a_reject_file_is_not_replayed_into_itself(target, singer):
    target.run([singer.schema, singer.task(1, companyId=None)], rejects_path="rejects.singer")
    with (target.folder / "rejects.singer").open("rb") as lines:
        process = target.start(stdin=lines, rejects_path="rejects.singer")
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert b"choose another" in err


def test_a_record_that_does_not_fit_its_schema_is_a_reject_unless_validation_is_off(target, singer):
    messages = [singer.schema, singer.task("one"), singer.task(2)]
    run = target.run(messages, rejects_path="rejects.singer")
    assert run.figures == {"tasks": {"read": 2, "created": 1, "rejected": 1}}
    kept = json.loads((target.folder / "rejects.singer").read_bytes().splitlines()[1])
    assert kept["reason"].startswith("It does not fit its stream's SCHEMA: id: ")
    assert '"one"' not in kept["reason"]
    run = target.run(messages, validate_records=False)
    assert run.figures == {"tasks": {"read": 2, "created": 1, "unchanged": 1}}


def test_a_record_without_its_key_property_is_a_reject(target, singer):
    message = singer.task(1)
    del message["record"]["id"]
    run = target.run([singer.schema, message], rejects_path="r", max_rejects=1)
    assert run.figures == {"tasks": {"read": 1, "rejected": 1}}


def test_stream_maps_rename_and_drop_and_rejects_stand_as_they_came(planhat, target, singer):
    schema = {
        "type": "SCHEMA",
        "stream": "todo",
        "key_properties": ["nr"],
        "schema": {
            "properties": {
                "nr": {"type": "integer"},
                "what": {"type": "string"},
                "firm": {"type": "string"},
            }
        },
    }
    maps = {
        "todo": {
            "__alias__": "tasks",
            "nr": "nr",
            "action": "what",
            "companyId": "firm",
            "__else__": None,
        }
    }
    records = [
        {"nr": 1, "what": "call", "firm": singer.company},
        {"nr": 2, "what": "mail", "firm": "nowhere"},
        {"nr": 3, "what": "wait"},
    ]
    messages = [schema, *({"type": "RECORD", "stream": "todo", "record": r} for r in records)]
    run = target.run(messages, stream_maps=maps, rejects_path="r")
    assert run.figures == {"todo": {"read": 3, "created": 1, "rejected": 2}}
    # Its own name keeps apart what meets under one alias.
    assert planhat.by_source_id()["todo:1"]["action"] == "call"
    kept = [json.loads(line) for line in (target.folder / "r").read_bytes().splitlines()]
    assert kept[0] == schema
    assert sorted(each["record"]["nr"] for each in kept[1:]) == [2, 3]
    again = target.run((target.folder / "r").read_bytes(), stream_maps=maps, rejects_path="s")
    assert again.figures == {"todo": {"read": 2, "rejected": 2}}
