from __future__ import annotations

import pytest

from planhat_api.config import (
    check_environment,
    given,
    invalid,
    reading_files,
    wrong_names,
    wrong_variables,
)
from planhat_api.errors import SettingsError
from planhat_api.settings import CONNECTION

SCHEMA = {"type": "object", "properties": dict(CONNECTION)}


def test_a_setting_that_does_not_exist_is_named_with_the_one_that_may_be_meant():
    assert wrong_names(["api_token", "region"], SCHEMA) == []
    assert wrong_names(["api_tokn"], SCHEMA) == [
        "There is no setting api_tokn; did you mean api_token?"
    ]
    (fault,) = wrong_names(["zzz"], SCHEMA)
    assert "the settings are api_token, region" in fault


KINDS = {
    "properties": {
        "number": {"type": ["integer", "null"]},
        "switch": {"type": ["boolean", "null"]},
        "names": {"type": ["array", "null"], "items": {"type": "string"}},
        "maps": {"type": ["object", "null"]},
        "text": {"type": ["string", "null"]},
    }
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NUMBER", "", "a whole number, not ''"),
        ("NUMBER", "many", "a whole number, not 'many'"),
        ("NUMBER", "1.5", "a whole number, not '1.5'"),
        ("SWITCH", "y", "true or false, not 'y'"),
        ("SWITCH", "t", "true or false, not 't'"),
        ("SWITCH", "true ", "true or false, not 'true '"),
        ("SWITCH", "", "true or false, not ''"),
        ("NAMES", '["a', "a JSON list: "),
        ("NAMES", " ['a']", "a JSON list: "),
        ("NAMES", "{a", "a JSON list: "),
        ("MAPS", "{bad", "a JSON object: "),
        ("MAPS", "", "a JSON object: "),
        ("MAPS", "[" * 100_000, "a JSON object: "),
    ],
)
def test_a_variable_that_is_not_of_its_settings_type_is_named(name, value, words):
    environment = {f"TAP_{name}": value, "TAP_TEXT": "[", name: "x"}
    (fault,) = wrong_variables("TAP_", environment, KINDS)
    assert fault.startswith(f"TAP_{name} must be {words}")
    assert len(fault) < 200


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("NUMBER", ["60", "-1", " 5 "]),
        ("SWITCH", ["true", "True", "1", "yes", "on", "false", "FALSE", "0", "no", "off"]),
        ("NAMES", ["[]", '["a", "b"]', "a,b", "a"]),
        ("MAPS", ["{}", '{"a": {}}']),
        ("TEXT", ["", "many", "{"]),
    ],
)
def test_variables_of_their_settings_type_are_fine(name, values):
    for value in values:
        assert wrong_variables("TAP_", {f"TAP_{name}": value}, KINDS) == []


def test_null_settings_stand_for_the_default():
    assert given({"region": None, "api_token": "t"}, SCHEMA) == {"api_token": "t"}


def test_off_without_quotes_which_yaml_reads_as_false_is_off():
    switch = {"type": ["string", "null"], "enum": ["off", "on"]}
    schema = {"properties": {"compare": switch, "dry_run": {"type": ["boolean", "null"]}}}
    assert given({"compare": False, "dry_run": False}, schema) == {
        "compare": "off",
        "dry_run": False,
    }


def test_every_wrong_name_is_named_in_one_line():
    with pytest.raises(SettingsError, match=r"api_tokn.*regoin"):
        given({"api_tokn": "x", "regoin": "y"}, SCHEMA)


def test_a_setting_with_a_character_that_no_file_name_may_hold_is_named():
    with pytest.raises(SettingsError, match="region holds a NUL character"):
        given({"region": "eu\0"}, SCHEMA)


def test_every_wrong_variable_is_named_in_one_line():
    environment = {"T_NUMBER": "1.5", "T_SWITCH": "maybe"}
    with pytest.raises(SettingsError, match=r"T_NUMBER must be .*; T_SWITCH must be "):
        check_environment("T_", environment, KINDS)
    check_environment("T_", {}, KINDS)


def test_a_token_that_is_no_text_is_not_shown():
    faults = ["12345678 is not of type 'string' in config['api_token']", "another"]
    assert str(invalid(faults, "TAP_", {})) == "api_token must be text; another"


def test_a_missing_token_is_explained():
    fault = ["'api_token' is a required property"]
    assert "Settings > Service Accounts" in str(invalid(fault, "TAP_", {"TAP_API_TOKEN": ""}))
    assert str(invalid(fault, "TAP_", {"TAP_API_TOKEN": "abc"})) == (
        "api_token is missing: TAP_API_TOKEN is set, but is read only with --config ENV"
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (FileNotFoundError("File at 'x.json' was not found."), "File at 'x.json' was not found"),
        (RuntimeError("Could not open file."), "Could not open file"),
        (TypeError("'int' object is not iterable"), "it is not a JSON object of settings"),
        (ValueError("Expecting value"), "it is not a JSON object of settings (Expecting value)"),
    ],
)
def test_a_file_that_holds_no_settings_is_an_error_in_words(fault, words):
    with pytest.raises(SettingsError) as caught, reading_files():
        raise fault
    assert str(caught.value).startswith(f"--config cannot be read: {words}")
