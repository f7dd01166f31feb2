"""What GitHub reads of the repository is valid, and in step with the project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.github-issue-forms": FORMS,
}
OWNER = "github.com/OWNER"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_fits_its_schema(schema):
    assert SCHEMAS[schema]
    command = [BIN / "check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_workflows_give_attackers_nothing():
    command = [BIN / "zizmor", "--offline", "--no-progress", GITHUB]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def jobs(name):
    return yaml.safe_load((GITHUB / "workflows" / name).read_text())["jobs"]


def test_every_declared_python_is_tested():
    declared = re.findall(r'Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert jobs("tests.yml")["packages"]["strategy"]["matrix"]["python"] == declared


def test_every_package_is_tested_on_every_python():
    packages = {path.parent.name for path in ROOT.glob("*_*/__init__.py")} - {"tests"}
    assert len(packages) > 4
    steps = jobs("tests.yml")["packages"]["steps"]
    run = next(step["run"] for step in steps if "pytest" in step.get("run", ""))
    assert {name for name in packages if f"tests/{name}" in run} == packages
    script = (ROOT / "scripts" / "pythons.py").read_text()
    assert {name for name in packages if f'"{name}"' in script} == packages


def test_every_goal_that_a_workflow_makes_exists():
    goals = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set(jobs("tests.yml")["all"]["strategy"]["matrix"]["goal"])
    assert {"test", "test-e2e", "lint"} <= made <= goals


def test_a_release_needs_the_tests():
    release = jobs("release.yml")
    assert release["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert set(release["publish"]["needs"]) == {"tests", "build"}
    # Trusted publishing: the right to ask for an identity, and no other.
    assert release["publish"]["permissions"] == {"id-token": "write"}


def test_the_owner_of_the_repository_stands_in_one_place():
    listed = subprocess.run(
        ["git", "grep", "-l", OWNER, "--", ":!tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    # The release ends there if nobody has filled it in.
    assert listed == [".github/workflows/release.yml", "pyproject.toml"]


@pytest.mark.parametrize("path", [".pre-commit-config.yaml"])
def test_the_hooks_are_the_tools_of_make_lint(path):
    hooks = yaml.safe_load((ROOT / path).read_text())["repos"][0]["hooks"]
    entries = [hook["entry"].split()[0] for hook in hooks]
    assert all((BIN / Path(entry).name).exists() for entry in entries)
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert all(f"$(BIN)/{Path(entry).name}" in lint for entry in entries)
