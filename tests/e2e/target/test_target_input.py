from __future__ import annotations

import json

import pytest

from target_planhat.lines import decoded


def load(singer, count, **more):
    return [singer.schema, *(singer.task(n, **more) for n in range(count)), singer.state(count)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"type": "RECORD", "stream": "tasks", "rec', "input line 3: not a Singer message"),
        (b"[1, 2]", "not a Singer message"),
        (b'{"type": "RUBBISH"}', "not a Singer message"),
        (b'{"type": "RECORD", "stream": "other", "record": {}}', "before its SCHEMA"),
        (b'{"type": "RECORD", "stream": "tasks"}', "RECORD without stream or record"),
        (b'{"type": "RECORD", "stream": "tasks", "record": 1}', "not an object"),
        (b'{"type": "STATE"}', "STATE without a value"),
        (b'{"type": "BATCH", "stream": "tasks"}', "BATCH messages are not supported"),
        (b'{"type": "SCHEMA", "stream": "tasks"}', "SCHEMA without"),
        (b'{"type": "RECORD", "stream": ["tasks"], "record": {}}', "RECORD without stream"),
        (b'{"type": "SCHEMA", "stream": "tasks", "schema": {}}', "no properties"),
        (
            b'{"type":"SCHEMA","stream":"tasks","schema":{"properties":{"a":{"type":"x"}}}}',
            "input line 3: SCHEMA of stream tasks is not a JSON Schema: properties.a.type",
        ),
        (
            b'{"type": "SCHEMA", "stream": "invoices", "schema": {"properties": {}}}',
            "__alias__",
        ),
    ],
)
def test_what_is_no_singer_stream_ends_the_run_in_one_clear_line(
    planhat, target, singer, line, words
):
    run = target.run(singer.encoded([singer.schema, singer.task(1)]) + line + b"\n")
    assert run.code == 1
    assert words in run.complaint
    assert "Traceback" not in run.err
    assert len(run.complaint) < 400
    # What came before it is not lost.
    assert len(planhat.rows("tasks")) == 1


def test_streams_without_a_home_are_skipped_where_that_is_wanted(target, singer):
    other = singer.schema | {"stream": "invoices"}
    record = {"type": "RECORD", "stream": "invoices", "record": {"id": 1}}
    run = target.run([other, record, *load(singer, 2)], unknown_streams="skip")
    assert run.code == 0
    assert run.figures["invoices"] == {"read": 1, "skipped": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rejets_path": "x"}, "There is no setting rejets_path; did you mean rejects_path?"),
        ({"batch_size_rows": 5001}, "5001"),
        ({"load_method": "append-only"}, "There is no setting load_method"),
        ({"region": "eu2.planhat.com"}, "but must be the short name"),
        ({"api_token": "  "}, "api_token"),
        ({"rejects_path": "no/such/folder/r"}, "rejects_path"),
        ({"rejects_path": "/dev/null"}, "it is not a regular file"),
        ({"match_on": ["name"]}, "name"),
        ({"add_record_metadata": True}, "There is no setting add_record_metadata"),
    ],
)
def test_a_wrong_setting_ends_the_run_before_it_begins(target, singer, settings, words):
    settings = {"api_url": None, **settings} if "region" in settings else settings
    config = target.config
    target.config = {k: v for k, v in config.items() if settings.get(k, v) is not None}
    run = target.run(load(singer, 1), **{k: v for k, v in settings.items() if v is not None})
    assert run.code == 1
    assert words in run.err
    assert "Traceback" not in run.err


def test_a_wrong_number_in_the_environment_is_named(target, monkeypatch):
    monkeypatch.setenv("TARGET_PLANHAT_MAX_REJECTS", "many")
    monkeypatch.setenv("TARGET_PLANHAT_API_TOKEN", "t")
    run = target.call("--config=ENV")
    assert run.code == 1
    assert "TARGET_PLANHAT_MAX_REJECTS must be a whole number" in run.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.json", "missing.json"),
        ("broken.json", "is not a JSON"),
        ("list.json", "not a JSON object"),
    ],
)
def test_a_configuration_file_that_cannot_be_read_is_said_so(target, name, words):
    (target.folder / "broken.json").write_text("{")
    (target.folder / "list.json").write_text("[1]")
    run = target.call("--config", name)
    assert run.code == 1
    assert "Traceback" not in run.err
    assert words in run.complaint


def test_activate_version_is_passed_over(target, singer):
    run = target.run([singer.schema, {"type": "ACTIVATE_VERSION", "stream": "tasks", "version": 1}])
    assert run.code == 0


LONG = b"1" * 5000
DEEP = b"[" * 100_000 + b"]" * 100_000
ODD = {
    "NaN": (b'"action":NaN', "must be text"),
    "half a character": (b'"action":"\\ud83d"', "broken characters"),
    "half a character as a name": (b'"custom":{"\\ud83d":1}', "broken characters"),
    "not UTF-8": (b'"action":"\xff"', "broken characters"),
    "not UTF-8, not sent": (b'"else":"\xff"', None),
    "infinite": (b'"custom__N":1e5000', "finite"),
    "long, as text": (b'"action":' + LONG, None),
    "long, not sent": (b'"else":' + LONG, None),
    "long, as a number": (b'"custom":{"N":' + LONG + b"}", "no integer of more than 64 bits"),
    "long, in a list": (b'"activityTags":[' + LONG + b"]", "no integer of more than 64 bits"),
    "deep": (b'"custom":{"N":' + b"[" * 900 + b"]" * 900 + b"}", "deeper than 100 levels"),
    "deep, not sent": (b'"else":' + b"[" * 900 + b"]" * 900, None),
    "too deep": (b'"custom":{"N":' + DEEP + b"}", "It is nested too deep to be read"),
    "twice": (b'"action":"first","action":"last"', None),
}
"""What a record holds -> words of the reason for which it is rejected; None: it is not."""


def test_of_odd_json_each_record_ends_on_its_own_and_the_reject_file_can_be_replayed(
    planhat, target, singer
):
    columns = {"id": {}, "companyId": {}, "action": {}, "custom": {}, "activityTags": {}}
    schema = singer.schema | {"schema": {"properties": columns}}
    records = [
        b'{"type":"RECORD","stream":"tasks","record":{"companyId":"%b","id":"%b",%b}}'
        % (singer.company.encode(), name.encode(), content)
        for name, (content, _) in ODD.items()
    ]
    # Blank lines, ends of lines as Windows has them, and a byte order mark are no records.
    lines = b"\r\n \n".join([singer.encoded([schema]).rstrip(), *records, b""])
    lines = b"\xef\xbb\xbf" + lines + singer.encoded([singer.task(LONG.decode()), singer.state(1)])
    expected = {name: words for name, (_, words) in ODD.items() if words}
    run = target.run(lines, rejects_path="r", max_rejects=len(ODD))
    assert (run.code, run.states) == (0, [{"at": 1}])
    rows = planhat.by_source_id()
    keys = {f"tasks:{name}" for name in [*ODD, LONG.decode()] if name not in expected}
    assert rows.keys() == keys
    assert rows["tasks:long, as text"]["action"] == LONG.decode()
    assert rows["tasks:twice"]["action"] == "last"
    for again in (False, True):
        rejected = {}
        for line in (target.folder / "r").read_bytes().splitlines():
            line.decode()
            message = decoded(line)
            if message["type"] == "RECORD":
                rejected[message["record"]["id"]] = message["reason"]
        assert rejected.keys() == expected.keys()
        for name, words in expected.items():
            assert words in rejected[name]
        if not again:
            size = (target.folder / "r").stat().st_size
            run = target.replay("r", max_rejects=len(ODD))
            assert (run.code, run.figures) == (0, {"tasks": {"read": 9, "rejected": 9}})
            assert (target.folder / "r").stat().st_size == size


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"type":"STATE","value":{"at":%b}}' % LONG, "STATE that cannot be passed on as it is"),
        (b'{"type":"STATE","value":{"at":"\xff"}}', "STATE that cannot be passed on as it is"),
        (b'{"type":"STATE","value":%b}' % DEEP, "input line 3: it is nested too deep to be read"),
        (
            b'{"type":"SCHEMA","stream":"tasks","schema":{"properties":{"a":{"enum":%b}}}}' % DEEP,
            "input line 3: it is nested too deep to be read",
        ),
        (b'{"type":"RECORD","stream":"tasks","record":%b}' % DEEP, "not a Singer message"),
        (DEEP, "not a Singer message"),
        (b"x" * 5_000_000, "not a Singer message"),
    ],
)
def test_odd_json_elsewhere_ends_the_run_in_words(planhat, target, singer, line, words):
    run = target.run(singer.encoded([singer.schema, singer.task(1)]) + line + b"\n")
    assert run.code == 1
    assert words in run.complaint
    assert "Traceback" not in run.err
    assert len(run.err) < 5000
    assert len(planhat.rows("tasks")) == 1


def test_about_shows_the_settings_and_none_that_does_nothing(target):
    facts = json.loads(target.call("--about", "--format", "json").out)
    names = facts["settings"]["properties"]
    assert {"api_token", "rejects_path", "dry_run", "stream_maps"} <= names.keys()
    assert not {"load_method", "add_record_metadata"} & names.keys()
    assert all(setting.get("title") for setting in names.values())
    assert all(setting.get("description") for setting in names.values())
    assert "batch" not in facts["capabilities"]


def test_wrong_options_end_with_a_code_of_their_own(target):
    assert target.call("--nope").code == 2


def test_version_names_the_package(target):
    assert target.call("--version").out.startswith("target-planhat v")
