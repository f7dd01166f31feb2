"""What the pages, meltano.yml and .env.example list is what the connectors say of themselves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text())
CONNECTORS = ("tap-planhat", "target-planhat")
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def settings(script):
    return script("settings")


def plugin(name):
    found = [item for kind in PROJECT["plugins"].values() for item in kind if item["name"] == name]
    return found[0]


def test_the_settings_are_listed_as_the_connectors_announce_them(settings):
    for path, text in settings.updated().items():
        assert path.read_text() == text, f"{path.name} is behind: run `make docs`"


@pytest.mark.parametrize("name", CONNECTORS)
def test_an_editor_finds_a_sound_schema_of_the_settings(name):
    schema = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    maps = {"tickets": {"__alias__": "tasks", "__else__": None}}
    assert check.is_valid({"api_token": "any", "requests_per_minute": 100, "stream_maps": maps})
    for wrong in ({}, {"api_tokn": "any"}, {"requests_per_minute": 0}, {"stream_maps": 1}):
        assert not check.is_valid({"api_token": "any", **wrong} if wrong else {})


def test_the_columns_are_listed_as_the_tap_discovers_them(script):
    streams = script("streams")
    assert streams.PAGE.read_text() == streams.updated(), "streams.md is behind: run `make docs`"


def test_the_models_have_the_columns_that_the_tap_discovers(script):
    updated = script("dbt_models").updated()
    for path, text in updated.items():
        assert path.read_text() == text, f"{path.name} is behind: run `make docs`"
    assert set(ROOT.glob("dbt/models/staging/*")) == updated.keys()


def test_the_pictures_show_what_was_recorded(script):
    for path, text in script("pictures").updated().items():
        assert path.read_text() == text, f"{path.name} is behind: run `make docs`"


@pytest.mark.parametrize("name", CONNECTORS)
def test_meltano_knows_every_setting_and_hides_the_token(settings, name):
    announced = settings.about(name)
    listed = {item["name"]: item for item in plugin(name)["settings"]}
    assert listed.keys() == announced.keys()
    assert [key for key, item in listed.items() if item.get("sensitive")] == ["api_token"]
    assert all(item["label"] and item["description"] for item in listed.values())
    assert {key: item["value"] for key, item in listed.items() if "value" in item} == {
        key: item["default"] for key, item in announced.items() if "default" in item
    }


@pytest.mark.parametrize("name", CONNECTORS)
def test_meltano_knows_what_a_connector_can_do(name):
    command = [BIN / name, "--about", "--format", "json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    announced = set(yaml.safe_load(found)["capabilities"])
    # Meltano's schema does not have this one.
    assert set(plugin(name)["capabilities"]) == announced - {"validate-records"}


def test_every_variable_of_the_example_is_a_setting(settings):
    names = re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    known = {
        f"{name.replace('-', '_')}_{key}".upper()
        for name in CONNECTORS
        for key in settings.about(name)
    }
    assert names
    assert set(names) <= known


def test_the_stream_map_shown_is_the_one_of_the_project():
    shown = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1])
    mine = plugin("target-planhat")["config"]["stream_maps"]["tickets"]
    assert shown["stream_maps"]["tickets"].items() <= mine.items()
