"""The pages of the documentation, and what their examples run in."""

from __future__ import annotations

import copy
import importlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page in Markdown."""

    path: Path

    @property
    def text(self):
        return self.path.read_text()

    def blocks(self, language):
        """Return what stands between fences of a language."""
        return [block for found, block in FENCED.findall(self.text) if found == language]


PAGES = [
    Page(path)
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
]


def pytest_generate_tests(metafunc):
    """Run a test that takes `page` for each page; `page_with_X`: for those with such examples."""
    for name in metafunc.fixturenames:
        if name == "page" or name.startswith("page_with_"):
            language = name.removeprefix("page_with_")
            pages = [page for page in PAGES if name == "page" or page.blocks(language)]
            metafunc.parametrize(name, pages, ids=lambda page: page.path.name)


@pytest.fixture(scope="session")
def page_named():
    """A page by its path in the project."""
    return lambda name: Page(ROOT / name)


@pytest.fixture(scope="session")
def environment():
    """Variables without settings of a person's own, and with the commands in the path."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "XDG_"))
    }
    return {**mine, "PATH": f"{BIN}{os.pathsep}{mine['PATH']}"}


@pytest.fixture(scope="session")
def unmeasured(environment):
    """Those without coverage, which would be measured of Meltano too and make it slow."""
    return {name: value for name, value in environment.items() if "COVERAGE_" not in name}


@pytest.fixture(scope="session")
def script():
    """A module of scripts/, which import one another."""
    folder = str(ROOT / "scripts")
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)


LOADER = f"""\
#!{sys.executable}
import sys

for line in sys.stdin:
    if '"type":"STATE"' in line:
        print(line.partition('"value":')[2].rstrip()[:-1], flush=True)
"""


@pytest.fixture
def meltano_folder():
    """Makes a folder a Meltano project: this one's tap, and loaders that only take STATE."""

    def make(folder, *fragments):
        mine = yaml.safe_load((ROOT / "meltano.yml").read_text())
        tap = next(item for item in mine["plugins"]["extractors"] if item["name"] == "tap-planhat")
        del tap["pip_url"]
        tap["executable"] = str(BIN / "tap-planhat")
        loader = folder / "loader"
        loader.write_text(LOADER)
        loader.chmod(0o755)
        loaders = [
            {"name": name, "namespace": name.replace("-", "_"), "executable": str(loader)}
            for name in ("target-jsonl", "target-postgres")
        ]
        project = {
            **{name: mine[name] for name in ("requires_meltano", "cli")},
            "send_anonymous_usage_stats": False,
            "project_id": "documentation",
            "default_environment": "dev",
            "environments": [{"name": "dev"}],
            "plugins": {"extractors": [tap], "loaders": loaders},
        }
        for kind in ("extractors", "loaders"):
            (folder / ".meltano" / kind).mkdir(parents=True)
        for fragment in fragments:
            project = merged(project, fragment)
        (folder / "meltano.yml").write_text(yaml.safe_dump(project))
        return project

    return make


def merged(project, fragment):
    """Return a project with a fragment added; plugins of the same name become one."""
    made = copy.deepcopy(project)
    for kind, plugins in fragment.get("plugins", {}).items():
        for plugin in plugins:
            same = [each for each in made["plugins"][kind] if each["name"] == plugin["name"]]
            if same:
                same[0].update(plugin)
            else:
                made["plugins"][kind].append(plugin)
    return {**made, **{name: part for name, part in fragment.items() if name != "plugins"}}
