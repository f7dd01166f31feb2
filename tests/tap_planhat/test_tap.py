"""The tap's settings, what it says about itself, and the words of its command."""

from __future__ import annotations

import json
import logging
import signal
import sys

import pytest
from singer_sdk.helpers.capabilities import TapCapabilities

from planhat_api.errors import ExitCode, SettingsError
from planhat_api.settings import CONNECTION
from tap_planhat.config import SETTINGS
from tap_planhat.sdk import StreamError
from tap_planhat.tap import TapPlanhat, main


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch, tmp_path):
    """No settings from outside; signals and handlers of the log are put back."""

    def end(code):
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", end)
    monkeypatch.setattr("logging.shutdown", lambda: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def tap_with(**settings):
    return TapPlanhat(config={"api_token": "secret", **settings})


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run the command; return its exit code, its output and the lines of its log."""

    def run(*options, config=None, environment=None):
        if config is not None:
            path = tmp_path / "config.json"
            path.write_text(config if isinstance(config, str) else json.dumps(config))
            options = ["--config", str(path), *options]
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["tap-planhat", *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err.splitlines()

    return run


# Settings.


def test_only_the_token_is_required():
    assert tap_with().config["api_token"] == "secret"
    assert SETTINGS["required"] == ["api_token"]


def test_what_is_left_out_or_null_has_its_default():
    nulls = dict.fromkeys(name for name in SETTINGS["properties"] if name != "api_token")
    for config in (tap_with().config, tap_with(**nulls).config):
        assert dict(config) == {
            "api_token": "secret",
            "requests_per_minute": 200,
            "request_timeout": 120,
            "retry_timeout": 300,
            "parallel_requests": 4,
            "lookback_minutes": 10,
            "rescan_days": 1,
            "unknown_properties": "keep",
            "custom_fields": "object",
            "emit_activate_version_messages": False,
        }


def test_a_callers_own_dictionary_is_left_alone():
    config = {"api_token": "secret", "region": None}
    TapPlanhat(config=config)
    assert config == {"api_token": "secret", "region": None}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start_dat": "2024-01-01"}, "There is no setting start_dat; did you mean start_date?"),
        ({"api_token": None}, "api_token is missing: make one in Planhat under Settings > Service"),
        ({"api_token": 7}, "api_token must be text"),
        ({"parallel_requests": "4"}, "'4' is not of type 'integer'"),
        ({"parallel_requests": 51}, "51 is greater than the maximum of 50"),
        ({"parallel_requests": 0}, "0 is less than the minimum of 1"),
        ({"page_size": 1}, "1 is less than the minimum of 2"),
        ({"lookback_minutes": -1}, "-1 is less than the minimum of 0"),
        ({"lookback_minutes": 10**12}, "is greater than the maximum"),
        ({"rescan_days": 10**12}, "is greater than the maximum"),
        ({"company_ids": "a"}, "'a' is not of type 'array'"),
        ({"company_ids": [1]}, "1 is not of type 'string'"),
        ({"company_ids": [""]}, "''"),
        ({"start_date": 2024}, "2024 is not of type 'string'"),
        ({"start_date": "soon"}, "start_date 'soon' is not a date; write it like 2024-01-31T00:00"),
        ({"emit_activate_version_messages": "yes"}, "'yes' is not of type 'boolean'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_must_be(settings, words):
    with pytest.raises(SettingsError) as caught:
        tap_with(**settings)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["2024-01-31", "2024-01-31T10:00:00", "2024-01-31T10:00:00+02:00"])
def test_a_start_date_may_be_written_short(text):
    assert tap_with(start_date=text).config["start_date"] == text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_token": " "}, "api_token is empty"),
        ({"region": "eu2.planhat"}, "region is 'eu2.planhat'"),
    ],
)
def test_a_connection_that_cannot_be_is_an_error_before_any_call(settings, words):
    with pytest.raises(SettingsError, match=words):
        tap_with(**settings)


def test_the_client_is_one_for_all_streams_and_as_the_settings_say():
    tap = tap_with(api_url="http://127.0.0.1:9/", parallel_requests=7)
    assert tap.client is tap.client
    assert {stream._client() for name, stream in tap.streams.items() if name != "deletions"} == {
        tap.client
    }
    tap.client.close()


def test_settings_come_from_the_environment_with_their_types(monkeypatch):
    for name, value in {
        "API_TOKEN": "secret",
        "COMPANY_IDS": '["a", "b"]',
        "PARALLEL_REQUESTS": "7",
        "EMIT_ACTIVATE_VERSION_MESSAGES": "true",
        "START_DATE": "2024-01-31",
        "STREAM_MAPS": '{"tasks": null}',
    }.items():
        monkeypatch.setenv(f"TAP_PLANHAT_{name}", value)
    config = TapPlanhat(parse_env_config=True).config
    assert config["company_ids"] == ["a", "b"]
    assert config["parallel_requests"] == 7
    assert config["emit_activate_version_messages"] is True
    assert config["start_date"] == "2024-01-31"
    assert config["stream_maps"] == {"tasks": None}
    assert config["lookback_minutes"] == 10


def test_the_environment_is_left_alone_unless_asked_for(monkeypatch):
    monkeypatch.setenv("TAP_PLANHAT_PAGE_SIZE", "many")
    assert "page_size" not in tap_with().config


def test_a_number_in_the_environment_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("TAP_PLANHAT_API_TOKEN", "secret")
    monkeypatch.setenv("TAP_PLANHAT_PAGE_SIZE", "many")
    with pytest.raises(SettingsError, match="TAP_PLANHAT_PAGE_SIZE must be a whole number, not"):
        TapPlanhat(parse_env_config=True)


def test_the_sdks_own_settings_stand_beside_ours():
    known = TapPlanhat.config_jsonschema["properties"]
    tap_with()
    assert set(CONNECTION) <= set(known)
    assert {"stream_maps", "stream_map_config", "flattening_enabled"} <= set(known)
    # Declared here too, with a description that fits; the SDK must not replace it.
    assert known["emit_activate_version_messages"]["default"] is False
    assert "remove what is gone" in known["emit_activate_version_messages"]["description"]


def test_capabilities_are_those_the_tap_keeps():
    names = {capability.value for capability in TapPlanhat.capabilities}
    assert TapCapabilities.ACTIVATE_VERSION in TapPlanhat.capabilities
    assert "batch" not in names
    assert {"catalog", "discover", "state", "about", "stream-maps"} <= names


# The command.


def test_about_names_and_describes_every_setting(command):
    code, out, _ = command("--about", "--format", "json")
    about = json.loads(out)
    assert code == 0
    assert about["name"] == "tap-planhat"
    settings = about["settings"]["properties"]
    assert set(SETTINGS["properties"]) <= set(settings)
    for name, item in settings.items():
        assert item.get("title"), name
        assert item.get("description"), name
    assert settings["api_token"]["secret"] is True


def test_discovery_needs_no_settings_and_makes_no_call(command):
    code, out, _ = command("--discover")
    assert code == 0
    assert [each["tap_stream_id"] for each in json.loads(out)["streams"]] == [
        "campaigns",
        "conversations",
        "deletions",
        "nps",
        "tasks",
    ]


@pytest.mark.parametrize(
    ("config", "options", "words"),
    [
        ({}, [], "api_token is missing: make one in Planhat"),
        ({}, ["--test"], "api_token is missing: make one in Planhat"),
        (
            {"api_token": "x", "regoin": "eu"},
            [],
            "There is no setting regoin; did you mean region?",
        ),
        ({"api_token": "x", "regoin": "eu"}, ["--discover"], "did you mean region?"),
        ({"api_token": "x", "start_date": "soon"}, [], "start_date 'soon' is not a date"),
        ({"api_token": ""}, [], "api_token is empty"),
        (
            {"api_token": "x", "region": "eu-2"},
            ["--test"],
            "region is 'eu-2', but must be",
        ),
        ({"api_token": "x", "stream_maps": {"tasks": {"a": "1 +"}}}, [], "stream_maps.tasks.a is"),
        ("{", [], "--config cannot be read: it is not a JSON object"),
        ("[1]", [], "--config cannot be read: it is not a JSON object"),
        ('["abc"]', [], "--config cannot be read: it is not a JSON object"),
        ("7", [], "--config cannot be read: it is not a JSON object"),
    ],
)
def test_a_wrong_setting_ends_the_command_with_1_and_its_last_line(command, config, options, words):
    code, out, log = command(*options, config=config)
    assert code == 1
    assert words in log[-1]
    assert "ERROR" in log[-1]
    assert not any("Traceback" in line or "unhandled" in line for line in log)
    assert '"type":"RECORD"' not in out


def test_a_missing_file_of_settings_is_named(command):
    code, _, log = command("--config", "nowhere.json")
    assert code == 1
    assert "--config cannot be read: File at 'nowhere.json' was not found" in log[-1]


@pytest.mark.parametrize("option", ["state", "catalog"])
@pytest.mark.parametrize("data", [b"", b"{", '{"note": "ë"}'.encode("latin-1")])
def test_a_state_or_catalog_that_is_no_json_is_named(command, tmp_path, option, data):
    path = tmp_path / "given.json"
    path.write_bytes(data)
    code, _, log = command(f"--{option}", path, config={"api_token": "x"})
    assert code == 1
    assert f"--{option} {path} is not JSON: " in log[-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "is JSON, but not an object"),
        ('"tasks"', "is JSON, but not an object"),
        (
            '{"type":"STATE","value":{"bookmarks":{}}}',
            "should hold the value in it alone",
        ),
        (
            '{"completed":{},"singer_state":{"bookmarks":{}}}',
            "should hold the singer_state in it alone",
        ),
        (
            '{"bookmarks":{"tasks":{"partitions":[{"context":{}},{"context":{}}]}}}',
            "has two bookmarks of one list of tasks; leave one",
        ),
    ],
)
def test_a_state_that_would_be_overlooked_is_refused(command, tmp_path, text, words):
    path = tmp_path / "state.json"
    path.write_text(text)
    code, out, log = command("--state", path, config={"api_token": "secret"})
    assert (code, out) == (ExitCode.FAILED, "")
    assert log[-1].endswith(f"--state {path} {words}")


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("state", '{"bookmarks": []}', 'in bookmarks, [] is not of type "object"'),
        ("state", '{"bookmarks": {"tasks": null}}', "in bookmarks.tasks, null is not of type"),
        ("state", '{"bookmarks": {"tasks": {"partitions": [{}]}}}', '"context" is a required'),
        ("state", '{"bookmarks": {"nps": {"offset": "7"}}}', 'in bookmarks.nps.offset, "7" is'),
        (
            "state",
            '{"bookmarks": {"nps": {"reading": {"key": "_id", "last": "a"}}}}',
            "in bookmarks.nps.reading, ",
        ),
        (
            "state",
            '{"bookmarks": {"nps": {"full_table": {}}}}',
            'in bookmarks.nps.full_table, "began" is a required property',
        ),
        ("catalog", "{}", 'in it, "streams" is a required property'),
        ("catalog", '{"streams": [{}]}', 'in streams.0, "tap_stream_id" is a required'),
        ("catalog", '{"streams": [{"tap_stream_id": "tasks"}]}', 'in streams.0, "schema" is a'),
        (
            "catalog",
            '{"streams": [{"tap_stream_id": "tasks", "schema": {}}]}',
            'in streams.0.schema, "properties" is a required property',
        ),
        (
            "catalog",
            '{"streams":[{"tap_stream_id":"tasks","schema":{"properties":{}},"metadata":[{}]}]}',
            'in streams.0.metadata.0, "breadcrumb" is a required property',
        ),
    ],
)
def test_a_state_or_catalog_that_lacks_something_is_told_where(
    command, tmp_path, option, text, words
):
    path = tmp_path / "given.json"
    path.write_text(text)
    code, out, log = command(f"--{option}", path, config={"api_token": "secret"})
    assert (code, out) == (ExitCode.FAILED, "")
    assert f"--{option} {path} is not a valid {option}: " in log[-1]
    assert words in log[-1]


def test_a_state_and_a_catalog_are_handed_on(command, tmp_path):
    state = {"bookmarks": {"tasks": {"kept": "ë"}}}
    (tmp_path / "state.json").write_bytes(json.dumps(state, ensure_ascii=False).encode())
    (tmp_path / "catalog.json").write_text('{"streams": []}')
    code, out, _ = command(
        "--state",
        tmp_path / "state.json",
        "--catalog",
        tmp_path / "catalog.json",
        config={"api_token": "x", "stream_maps": {"__else__": None}},
    )
    assert code == 0
    assert json.loads(out.splitlines()[0]) == {"type": "STATE", "value": state}


@pytest.mark.parametrize(
    "error", [StreamError("tasks: 500"), SettingsError("tasks: 500"), KeyboardInterrupt("x")]
)
def test_what_ends_a_reading_is_worded_by_the_command(monkeypatch, caplog, error):
    def cli():
        raise error

    monkeypatch.setattr(TapPlanhat, "cli", cli)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as ended:
        main()
    if isinstance(error, KeyboardInterrupt):
        assert ended.value is error
    else:
        assert ended.value.code == ExitCode.FAILED == 1
        assert [entry.getMessage() for entry in caplog.records] == ["tasks: 500"]


@pytest.mark.parametrize(
    "name",
    [
        "planhat_api.calls.retries",
        "planhat_api.calls.responses",
        "tap_planhat.lists.reading",
        "tap_planhat.shape",
    ],
)
def test_what_our_modules_log_is_seen_under_the_sdks_log(command, monkeypatch, name):
    def speak(_):
        logging.getLogger(name).info("for your information")
        logging.getLogger(name).warning("a warning")
        return []

    monkeypatch.setattr(TapPlanhat, "discover_streams", speak)
    _, out, log = command("--discover", config={"api_token": "x"})
    for level, words in (("INFO", "for your information"), ("WARNING", "a warning")):
        (line,) = [line for line in log if words in line]
        assert level in line
        assert name in line
    assert "a warning" not in out


def test_a_failed_run_does_not_wait_for_pages_under_way(monkeypatch):
    """The interpreter would, for all threads of a pool; only `os._exit` does not."""
    ended = []

    def cli():
        raise StreamError("tasks: 400")

    monkeypatch.setattr(TapPlanhat, "cli", cli)
    monkeypatch.setattr("os._exit", ended.append)
    main()
    assert ended == [ExitCode.FAILED]
