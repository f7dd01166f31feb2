"""plugins/ says of the connectors what they say themselves, in the Hub's words, for Meltano."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONNECTORS = ("tap-planhat", "target-planhat")
MELTANO = Path(sys.executable).with_name("meltano")
TOKEN = "hub-token-93b6d0aa"

# What the schemas of github.com/meltano/hub ask for and allow, of which a file of ours has some.
REQUIRED = {"name", "namespace", "variant", "label", "quality"}
KEYS = REQUIRED | {
    "capabilities",
    "definition",
    "description",
    "domain_url",
    "executable",
    "keywords",
    "log_parser",
    "maintenance_status",
    "pip_url",
    "repo",
    "select",
    "settings",
    "settings_group_validation",
    "supported_python_versions",
}
SETTING_KEYS = {"name", "label", "description", "kind", "sensitive", "options", "value"}
KINDS = {"array", "boolean", "date_iso8601", "integer", "object", "options", "string"}
COMMON = {"about", "activate-version", "batch", "schema-flattening", "stream-maps"}
LOGS = {"structured-logging"}
CAPABILITIES = {
    "tap-planhat": COMMON | LOGS | {"catalog", "discover", "properties", "state", "test"},
    "target-planhat": COMMON | LOGS | {"hard-delete", "soft-delete", "validate-records"},
}


@pytest.fixture(scope="module")
def hub():
    """The script behind `make docs`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        yield importlib.import_module("hub")


@pytest.fixture(scope="module")
def updated(hub):
    return hub.updated()


@pytest.fixture(params=CONNECTORS)
def found(request, hub):
    """A definition, as it is in the project."""
    return yaml.safe_load(hub.path(request.param).read_text())


def test_the_definitions_are_what_the_connectors_announce(updated):
    assert len(updated) == len(CONNECTORS)
    for path, text in updated.items():
        assert path.read_text() == text, f"{path.name} is behind: run `make docs`"


def test_a_definition_lies_where_the_hub_looks_for_it(hub, found):
    plural = {"tap": "extractors", "target": "loaders"}[found["name"].split("-")[0]]
    parts = ("plugins", plural, found["name"], f"{found['variant']}.yml")
    assert hub.path(found["name"]) == ROOT.joinpath(*parts)


def test_a_definition_has_what_the_hub_requires_and_nothing_it_does_not_know(found):
    assert found.keys() >= REQUIRED
    assert found.keys() <= KEYS
    assert found["quality"] == "unknown"
    assert found["maintenance_status"] in {"active", "beta", "development", "inactive", "unknown"}
    assert set(found["capabilities"]) <= CAPABILITIES[found["name"]]
    assert all(setting.keys() <= SETTING_KEYS for setting in found["settings"])
    assert {setting["kind"] for setting in found["settings"]} <= KINDS


def test_a_definition_names_the_only_setting_one_cannot_do_without(found):
    assert found["settings_group_validation"] == [["api_token"]]
    secret = [setting["name"] for setting in found["settings"] if setting.get("sensitive")]
    assert secret == ["api_token"]


@pytest.fixture(scope="module")
def meltano(tmp_path_factory, hub):
    """Runs Meltano in a project of somebody else's, to which both connectors were added."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "meltano.yml").write_text(
        "project_id: somebody-elses\n"
        "send_anonymous_usage_stats: false\n"
        "cli: {disable_version_check: true}\n"
    )
    mine = {
        name: value
        for name, value in os.environ.items()
        # COVERAGE_: it would be measured of Meltano too, which takes twice as long then.
        if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "XDG_", "COVERAGE_"))
    }
    settings = {
        **mine,
        "HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "state"),
        # A Hub that is not there: whatever is looked up fails.
        "MELTANO_HUB_URL": "http://127.0.0.1:9",
        "TAP_PLANHAT_API_TOKEN": TOKEN,
        "TARGET_PLANHAT_API_TOKEN": TOKEN,
    }

    def run(*arguments):
        done = subprocess.run(
            [MELTANO, *arguments],
            cwd=folder,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for name in CONNECTORS:
        run("add", "--no-install", "--from-ref", str(hub.path(name)), name)
    return run


def test_meltano_takes_a_definition_with_its_defaults_and_keeps_the_token_secret(meltano, found):
    settled = json.loads(meltano("config", "print", found["name"]))
    defaults = {item["name"]: item["value"] for item in found["settings"] if "value" in item}
    assert settled == {**defaults, "api_token": "*****"}
