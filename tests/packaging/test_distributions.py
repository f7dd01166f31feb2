"""What would be published installs on its own and works, whatever lies around the clone."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.demo import sample
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
TWINE = Path(sys.executable).with_name("twine")
PACKAGES = ("planhat_api", "planhat_check", "planhat_sandbox", "tap_planhat", "target_planhat")
README = (ROOT / "README.md").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
ROWS = 40
TOKEN = "packaging-token-2e8d41f7"


def run(*command, cwd, given="", fails=False, **settings):
    """Run a command to the end that is expected; return what it printed."""
    mine = {
        name: value
        for name, value in os.environ.items()
        # Nothing of the clone's own environment, and no version from outside.
        if not name.startswith(
            ("TAP_", "TARGET_", "PYTHON", "VIRTUAL_ENV", "SETUPTOOLS_SCM", "GIT_", "COVERAGE_")
        )
    }
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**mine, **settings},
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def git(folder, *arguments):
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return run("git", *who, *arguments, cwd=folder)


def committed(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


def build(kind, source, into):
    """Build an sdist or a wheel; return its path."""
    run(UV, "build", "--quiet", f"--{kind}", source, "--out-dir", into, cwd=into.parent)
    return next(into.glob("*.tar.gz" if kind == "sdist" else "*.whl"))


def members(wheel):
    """Return what a wheel holds but the record of it: name -> content."""
    with zipfile.ZipFile(wheel) as archive:
        names = (name for name in archive.namelist() if not name.endswith("/RECORD"))
        return {name: archive.read(name) for name in names}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def clone(home):
    """A repository with the files of this one as they are now, tagged as a release."""
    folder = home / "clone"
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, run(*listed, cwd=ROOT).split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    committed(folder, "everything")
    git(folder, "tag", "v1.2.3")
    return folder


@pytest.fixture(scope="module")
def sdist(home, clone):
    # What builds and tests leave behind is nobody's business.
    (clone / ".meltano").mkdir()
    (clone / ".meltano" / "meltano.db").touch()
    (clone / ".env").write_text(f"TAP_PLANHAT_API_TOKEN={TOKEN}")
    (clone / "tap_planhat" / "__pycache__").mkdir()
    (clone / "tap_planhat" / "__pycache__" / "tap.pyc").touch()
    return build("sdist", clone, home / "sdist")


@pytest.fixture(scope="module")
def wheel(home, clone, sdist):
    """Built of the clone, as it is from `pip install .`; after the sdist, amid the same rubbish."""
    assert sdist.exists()
    return build("wheel", clone, home / "wheel")


def sources():
    """Return the modules, and what the pages of sandbox and report are made of."""
    return {
        path
        for name in PACKAGES
        for kind in ("py", "html", "css", "js")
        for path in (ROOT / name).rglob(f"*.{kind}")
    }


def test_the_sdist_holds_the_packages_and_their_papers_and_nothing_else(sdist):
    with tarfile.open(sdist) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    modules = {path.relative_to(ROOT) for path in sources()}
    typed = {Path(name, "py.typed") for name in PACKAGES}
    assert names >= modules | typed
    papers = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    assert {str(name) for name in names - modules - typed} == papers


def test_the_wheel_holds_the_packages_and_their_papers_and_nothing_else(wheel):
    modules = {str(path.relative_to(ROOT)) for path in sources()}
    rest = members(wheel).keys() - modules
    assert members(wheel).keys() >= modules
    assert {name.partition(".dist-info/")[2] or name for name in rest} == {
        "METADATA",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        *(f"{name}/py.typed" for name in PACKAGES),
    }


def test_pypi_can_show_the_description_and_follow_its_links(home, sdist, wheel):
    run(TWINE, "check", "--strict", sdist, wheel, cwd=home)
    name = next(name for name in members(wheel) if name.endswith("/METADATA"))
    text = members(wheel)[name].decode()
    links = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)", text)
    assert len(links) > 20
    assert [
        link for pair in links for link in pair if link and not link.startswith("https://")
    ] == []
    assert "mermaid" not in text


def test_an_sdist_builds_the_same_wheel_without_git(home, sdist, wheel):
    with tarfile.open(sdist) as archive:
        archive.extractall(home / "unpacked", filter="data")
    (unpacked,) = (home / "unpacked").iterdir()
    again = build("wheel", unpacked, home / "again")
    assert again.name == wheel.name == "singer_planhat-1.2.3-py3-none-any.whl"
    assert members(again) == members(wheel)


def test_what_comes_after_a_tag_is_a_version_on_the_way_to_the_next(home, clone):
    after = home / "after"
    shutil.copytree(clone, after)
    committed(after, "one more")
    name = build("wheel", after, home / "after-wheel").name
    assert re.match(r"singer_planhat-1\.2\.4\.dev1\+g[0-9a-f]+-", name)


def test_what_comes_before_the_first_tag_is_no_release(home, clone):
    before = home / "before"
    shutil.copytree(clone, before)
    git(before, "tag", "--delete", "v1.2.3")
    name = build("wheel", before, home / "before-wheel").name
    assert re.match(r"singer_planhat-0\.0\.1\.dev\d+\+g[0-9a-f]+-", name)


@pytest.fixture(scope="module")
def installed(home, wheel):
    """Folder of the commands in an environment with the wheel and the oldest it may run with."""
    environment = home / "environment"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment, cwd=home)
    oldest = ("--resolution", "lowest-direct", "--only-binary", ":all:")
    run(UV, "pip", "install", "--quiet", "--python", environment, *oldest, wheel, cwd=home)
    return environment / "bin"


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_the_readmes_line_installs_all_commands(tool, home, clone):
    line = re.search(r"^\$ (pipx install .*?) +# or: (uv tool install .*)$", README, re.MULTILINE)
    command = shlex.split(line[("pipx", "uv").index(tool) + 1])
    runner = (UV, *command[1:]) if tool == "uv" else (UV, "tool", "run", *command)
    places = {
        f"{prefix}{name}": str(home / tool / name.lower())
        for prefix, names in (("PIPX_", ("HOME", "BIN_DIR")), ("UV_TOOL_", ("DIR", "BIN_DIR")))
        for name in names
    }
    run(*runner, cwd=clone, HOME=str(home / tool), **places)
    scripts = PYPROJECT.partition("[project.scripts]")[2].partition("\n\n")[0]
    names = re.findall(r'^([\w-]+) = "', scripts, re.MULTILINE)
    assert {"tap-planhat", "target-planhat", "planhat-sandbox"} <= set(names)
    for name in names:
        assert run(home / tool / "bin_dir" / name, "--help", cwd=home)


@pytest.mark.parametrize("name", ["tap-planhat", "target-planhat"])
def test_an_installed_connector_says_what_it_is(name, installed, home):
    assert run(installed / name, "--version", cwd=home).startswith(f"{name} v1.2.3,")
    announced = json.loads(run(installed / name, "--about", "--format=json", cwd=home))
    assert announced["version"] == "1.2.3"
    declared = re.findall(r'Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert announced["supported_python_versions"] == declared


def test_the_installed_check_says_what_it_needs(installed, home):
    said = run(installed / "planhat-check", cwd=home, fails=True)
    assert said.startswith("ERROR: api_token is missing: make one in Planhat")


def test_the_sandbox_says_what_it_needs_where_it_was_not_asked_for(installed, home):
    said = run(installed / "planhat-sandbox", cwd=home, fails=True)
    assert said == "planhat-sandbox needs uvicorn: pip install 'singer-planhat[sandbox]'\n"


def test_the_installed_connectors_work_with_the_oldest_they_may_run_with(installed, home):
    tenant = Tenant()
    sample.fill(tenant, datetime.now(timezone.utc), rows=ROWS)
    names = [f"{kind}_PLANHAT" for kind in ("TAP", "TARGET")]
    with running(tenant) as planhat:
        access = {f"{name}_API_URL": planhat.url for name in names}
        access |= {f"{name}_API_TOKEN": TOKEN for name in names}
        found = run(installed / "tap-planhat", "--config", "ENV", cwd=home, **access)
        loading = (installed / "target-planhat", "--config", "ENV")
        states = run(*loading, cwd=home, given=found, **access)
    assert found.count('"type":"RECORD"') == ROWS * len(RESOURCES)
    # STATE passes a record when Planhat has said what became of it.
    assert json.loads(states.splitlines()[-1])["bookmarks"].keys() == RESOURCES.keys()
