"""Counts what tap-planhat, Airbyte's CDK and dlt read of the sandbox's sample tenant.

Prints the table of docs/compared.md. dlt and the CDK are installed from PyPI into environments of
their own, in .cache/compared. The CDK reads with a manifest that is made here: the streams, paths,
page sizes and primary key of Airbyte's source-planhat 0.0.29, which has no campaigns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import BIN, FailedError, serving, write_json
from planhat_api.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".cache" / "compared"
CDK, DLT = "airbyte-cdk==7.39.1", "dlt==1.31.0"
LIMITS = {name: resource.max_limit for name, resource in RESOURCES.items()}
NOT_IN_AIRBYTE = {"campaigns"}
Row = tuple[str, str, bool]
"""List, `_id`, archived."""


@dataclass
class Stream:
    """What a reader brought of one list."""

    rows: int = 0
    archived: int = 0
    keys: set[str] = field(default_factory=set)

    def add(self, key: str, *, archived: bool) -> None:
        """Count a row."""
        self.rows += 1
        self.archived += archived
        self.keys.add(key)


Counts = dict[str, Stream]
"""What a reader brought, by list."""


def installed(package: str) -> Path:
    """Install a package into an environment of its own; return the folder of its commands."""
    folder = HOME / package.partition("==")[0]
    uv = BIN / "uv"
    make = ["venv", "--quiet", "--allow-existing", "--python", sys.executable, folder]
    subprocess.run([uv, *make], check=True)
    install = ["pip", "install", "--quiet", "--python", folder / "bin" / "python", package]
    subprocess.run([uv, *install], check=True)
    return folder / "bin"


def tap(url: str, folder: Path) -> Counts:
    """Read with tap-planhat, its settings at their defaults."""
    config = write_json(folder / "tap.json", {"api_url": url, "api_token": "any"})
    return _read([BIN / "tap-planhat", "--config", config], _singer)


def airbyte(url: str, folder: Path) -> Counts:
    """Read with Airbyte's CDK, each stream as a full refresh."""
    command = installed(CDK) / "source-declarative-manifest"
    names = [name for name in RESOURCES if name not in NOT_IN_AIRBYTE]
    files = {
        "config": {"__injected_declarative_manifest": _manifest(url, names), "api_token": "any"},
        "catalog": {"streams": [_configured(name) for name in names]},
    }
    options = [
        option
        for name, content in files.items()
        for option in (f"--{name}", write_json(folder / f"airbyte-{name}.json", content))
    ]
    return _read([command, "read", *options], _airbyte)


def dlt(url: str, _folder: Path) -> Counts:
    """Read with dlt's rest_api."""
    script = Path(__file__).with_name("dlt_source.py")
    python = installed(DLT) / "python"
    return _read([python, script, url, json.dumps(LIMITS)], _printed)


def _read(command: list[Any], rows: Callable[[Iterable[str]], Iterator[Row]]) -> Counts:
    counts: Counts = defaultdict(Stream)
    # No telemetry: dlt and the CDK would report each run.
    quiet = {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet
    ) as process:
        for name, key, archived in rows(process.stdout or ()):
            counts[name].add(key, archived=archived)
    if process.returncode:
        raise FailedError(f"{command[0]} ended with {process.returncode}")
    return counts


def _printed(lines: Iterable[str]) -> Iterator[Row]:
    yield from (tuple(json.loads(line)) for line in lines)


def _singer(lines: Iterable[str]) -> Iterator[Row]:
    for message in map(json.loads, lines):
        if message["type"] == "RECORD":
            yield _row(message["stream"], message["record"])


def _airbyte(lines: Iterable[str]) -> Iterator[Row]:
    for message in map(json.loads, lines):
        if message["type"] == "RECORD":
            yield _row(message["record"]["stream"], message["record"]["data"])


def _row(stream: str, record: dict[str, Any]) -> Row:
    return stream, record["_id"], bool(record.get("isArchived"))


def _manifest(url: str, names: Iterable[str]) -> dict[str, Any]:
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["tasks"]},
        "spec": {"type": "Spec", "connection_specification": _SCHEMA},
        "streams": [_stream(url, name) for name in names],
    }


def _stream(url: str, name: str) -> dict[str, Any]:
    def option(parameter: str) -> dict[str, str]:
        placed = {"field_name": parameter, "inject_into": "request_parameter"}
        return {"type": "RequestOption", **placed}

    token = {"type": "BearerAuthenticator", "api_token": "{{ config['api_token'] }}"}
    requester = {"type": "HttpRequester", "url_base": url, "path": f"/{name}"}
    paginator = {
        "type": "DefaultPaginator",
        "page_size_option": option("limit"),
        "page_token_option": option("offset"),
        "pagination_strategy": {"type": "OffsetIncrement", "page_size": LIMITS[name]},
    }
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["_id"],
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {**requester, "authenticator": token},
            "paginator": paginator,
            "record_selector": selector,
        },
        "schema_loader": {"type": "InlineSchemaLoader", "schema": _SCHEMA},
    }


_SCHEMA = {"type": "object", "additionalProperties": True, "properties": {}}


def _configured(name: str) -> dict[str, Any]:
    stream = {"name": name, "json_schema": _SCHEMA, "supported_sync_modes": ["full_refresh"]}
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    return {"stream": stream, **modes}


def table(readers: dict[str, Counts]) -> list[str]:
    """Return the counts as a table in Markdown."""

    def row(title: str, name: str, count: Callable[[Stream], int]) -> str:
        cells = (
            f"{count(counts[name]):,}" if name in counts else "no such stream"
            for counts in readers.values()
        )
        return f"| {title} | {' | '.join(cells)} |"

    return [
        f"| | {' | '.join(readers)} |",
        f"|---|{'---|' * len(readers)}",
        row("campaigns", "campaigns", lambda stream: stream.rows),
        row("conversations", "conversations", lambda stream: stream.rows),
        row("NPS answers read", "nps", lambda stream: stream.rows),
        row("NPS answers after deduplication by `_id`", "nps", lambda stream: len(stream.keys)),
        row("tasks", "tasks", lambda stream: stream.rows),
        row("of them archived", "tasks", lambda stream: stream.archived),
    ]


def main() -> None:
    """Read with all three, one after the other, and print the table."""
    ways = {"tap-planhat": tap, f"Airbyte CDK ({CDK})": airbyte, f"dlt rest_api ({DLT})": dlt}
    command = [BIN / "planhat-sandbox", "--port", "0", "--demo", "--steady"]
    with tempfile.TemporaryDirectory() as folder, serving(command) as said:
        url = next(word for word in said.split() if word.startswith("http://"))
        readers = {name: read(url, Path(folder)) for name, read in ways.items()}
    print("\n".join(table(readers)))


if __name__ == "__main__":
    main()
