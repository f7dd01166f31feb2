"""The image of docker-compose/ holds what the distribution is made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from planhat_sandbox import cli

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker-compose"
BIN = Path(sys.executable).parent


def test_the_build_context_has_every_file_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    needed = {
        "pyproject.toml",
        "docker-compose/meltano.yml",
        "README.md",
        *project["project"]["license-files"],
        *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
    }
    assert needed <= kept
    assert [name for name in kept if not (ROOT / name).exists()] == []


def test_the_file_is_one_of_docker_composes():
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    file = FOLDER / "compose.yaml"
    done = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_run_commands_and_reach_each_other():
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    command, *options = services["sandbox"]["command"]
    assert command == "planhat-sandbox"
    given = cli._parser().parse_args(options)
    assert (given.demo, given.host) == (True, "0.0.0.0")  # noqa: S104 - within its container
    variables = services["meltano"]["environment"]
    assert variables["PLANHAT_URL"] == f"http://sandbox:{given.port}"
    assert variables["WAREHOUSE_HOST"] in services
    meltano = (FOLDER / "meltano.yml").read_text()
    for name in variables:
        assert name.startswith("MELTANO_") or f"${{{name}}}" in meltano, name
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
