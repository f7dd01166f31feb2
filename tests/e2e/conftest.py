"""What tests across process borders share: taps, targets, PostgreSQL and a tenant to look into."""

from __future__ import annotations

import runpy
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from planhat_api.resources import RESOURCES
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
PATIENCE = 100
"""Seconds to wait for the sandbox."""

_postgres = runpy.run_path(str(HERE / "postgres.py"))
_pipeline = runpy.run_path(str(HERE / "pipeline.py"))
_project = runpy.run_path(str(HERE / "project.py"))
TOKEN = _project["TOKEN"]


class Tenancy:
    """A sandbox, as tests look at it."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox

    def config(self, **settings: Any) -> dict[str, Any]:
        """Return settings with which tap and target reach it."""
        access = {"api_url": self.sandbox.url, "api_token": TOKEN}
        return {**access, "requests_per_minute": 6000, "retry_timeout": 5, **settings}

    def rows(self, resource: str) -> list[dict[str, Any]]:
        """Return all records of a resource."""
        return self.ask(f"dump/{resource}")

    def ask(self, path: str, body: Any = None) -> Any:
        """Call the control API."""
        url = f"{self.sandbox.url}/__sandbox/{path}"
        data = None if body is None else orjson.dumps(body)
        with urllib.request.urlopen(url, data=data, timeout=PATIENCE) as answer:
            return orjson.loads(answer.read())

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return all records, by resource."""
        return {name: self.rows(name) for name in RESOURCES}

    def by_key(self, resource: str) -> dict[str, dict[str, Any]]:
        """Return the records of a resource by the key that the target may make, each once."""
        key = RESOURCES[resource].generated_key
        rows = self.rows(resource)
        found = {row[key]: row for row in rows}
        assert len(found) == len(rows), "a key is there twice"
        return found

    def assert_holds(self, expected: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Compare all records with resource -> key -> property -> value; None: not there."""
        for resource, wanted in expected.items():
            found = self.by_key(resource)
            assert found.keys() == wanted.keys()
            for key, properties in wanted.items():
                assert {name: found[key].get(name) for name in properties} == properties


@pytest.fixture(scope="session")
def plugins(pytestconfig):
    """Path of a command, installed if need be: `plugins("tap-postgres")`."""
    return _pipeline["Plugins"](Path(pytestconfig.cache.mkdir("plugins")))


@pytest.fixture(scope="session")
def postgres(plugins):
    """A running PostgreSQL server."""
    home = plugins.environment(_postgres["PACKAGE"], "--no-deps")
    with _postgres["serving"](home) as server:
        yield server


@pytest.fixture
def database(postgres):
    """A new database."""
    return postgres.database()


@pytest.fixture(scope="session")
def pipeline_in(plugins):
    """Makes what runs taps and targets in a folder."""
    return lambda folder: _pipeline["Pipeline"](folder, plugins)


@pytest.fixture
def pipeline(tmp_path, pipeline_in):
    """Runs a tap into a target: `pipeline.run(("tap-postgres", {…}), ("target-planhat", {…}))`."""
    made = pipeline_in(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def meltano_plugins(tmp_path_factory):
    """Folder with the plugins of meltano.yml."""
    return _project["installed"](tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def environment_in():
    """Makes an environment with a home that is given."""
    return _project["environment"]


@pytest.fixture
def project(tmp_path, meltano_plugins):
    """A Meltano project of its own: `project.reach("tap-planhat", url)`, then `project.run(…)`."""
    made = _project["Project"].made(tmp_path, meltano_plugins)
    yield made
    made.assert_untouched()


@pytest.fixture
def from_postgres(project, plugins):
    """Adds tap-postgres to the project: `from_postgres(database, "public")`."""

    def add(database, *schemas):
        project.add(
            "extractors",
            "tap-postgres",
            plugins("tap-postgres"),
            capabilities=["catalog", "discover", "state"],
            config={**database.config, "filter_schemas": schemas},
        )

    return add


@pytest.fixture(scope="session")
def token():
    """The token that projects and pipelines send."""
    return TOKEN


@pytest.fixture(scope="session")
def tenancy():
    """Runs a sandbox and looks into it: `with tenancy() as planhat`."""

    @contextmanager
    def start(what=None):
        with running(what if what is not None else Tenant()) as sandbox:
            yield Tenancy(sandbox)

    return start
