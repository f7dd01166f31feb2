"""What README.md, meltano.yml and .env.example say is what the commands do."""

from __future__ import annotations

import importlib.util
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text())
CONNECTORS = ("tap-planhat", "target-planhat")
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def settings():
    """The script behind `make docs`."""
    spec = importlib.util.spec_from_file_location("settings", ROOT / "scripts" / "settings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plugin(name):
    found = [item for kind in PROJECT["plugins"].values() for item in kind if item["name"] == name]
    return found[0]


def session(command):
    """Return the commands of the console block that holds one, each with what it prints."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    block = next(block for block in blocks if command in block)
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [tuple(part.split("\n", 1)) for part in parts]


def test_the_settings_are_listed_as_the_connectors_announce_them(settings):
    for path, text in settings.updated().items():
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


def test_every_link_into_the_project_leads_somewhere():
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_path_in_the_map_of_the_code_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_stream_map_shown_is_the_one_of_the_project():
    shown = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1])
    mine = plugin("target-planhat")["config"]["stream_maps"]["tickets"]
    assert shown["stream_maps"]["tickets"].items() <= mine.items()


def test_the_pipe_of_the_readme_prints_what_it_says(tmp_path):
    """All but the first command, which installs; on a free port instead of 8787."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    first, *steps = session("tap-planhat")
    assert first[0].startswith("python3 -m venv env && env/bin/pip install")
    script = "\n".join(["set -e", *(command for command, _ in steps)])
    script = script.replace("env/bin/", f"{shlex.quote(str(BIN))}/").replace("8787", port)
    script = script.replace("planhat-sandbox --demo", f"planhat-sandbox --demo --port {port}")
    (tmp_path / "output").mkdir()
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    wanted = "".join(printed for _, printed in steps)
    assert done.stdout.replace(port, "8787") == wanted
