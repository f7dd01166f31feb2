"""Writes what the tap discovers into docs/streams.md: the streams and their columns.

Run by `make docs`; a test fails while the file is behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from settings import ROOT, markdown, replaced

from planhat_api.resources import RESOURCES

PAGE = ROOT / "docs" / "streams.md"
HEAD = ("Column", "Type", "Written", "What it is")


def discovered() -> list[dict[str, Any]]:
    """Return the streams of the tap's catalog.

    Raises:
        subprocess.CalledProcessError: The tap does not start.
    """
    command = [str(Path(sys.executable).with_name("tap-planhat")), "--config", "ENV", "--discover"]
    # Any token will do: discovery asks nothing of Planhat.
    environment = {**os.environ, "TAP_PLANHAT_API_TOKEN": "none"}
    found = subprocess.run(command, check=True, capture_output=True, env=environment)
    streams: list[dict[str, Any]] = json.loads(found.stdout)["streams"]
    return streams


def section(stream: dict[str, Any]) -> str:
    """Return what is to be said of a stream, and the table of its columns."""
    if stream["tap_stream_id"] not in RESOURCES:
        return deletions(stream)
    resource = RESOURCES[stream["tap_stream_id"]]
    root = next(item["metadata"] for item in stream["metadata"] if not item["breadcrumb"])
    first, *others = root["valid-replication-keys"]
    facts = [
        ("Key", _names(stream["key_properties"])),
        ("Replication key", f"`{first}`" + (f", or {_names(others)}" if others else "")),
        ("Rows of a page", f"at most {resource.max_limit:,}"),
        ("Needed to create one", _names(resource.required_to_create)),
        ("Keys an upsert finds one by", _names(resource.keyables)),
        ("Key the target can make", f"`{resource.generated_key}`"),
    ]
    if resource.reserved_types:
        facts.append(("Types the target cannot create", _names(sorted(resource.reserved_types))))
    rows = []
    for name, schema in stream["schema"]["properties"].items():
        item = resource.properties.get(name)
        written = "yes" if item is not None and item.writable else ""
        rows.append((f"`{name}`", _type(schema), written, schema["description"]))
    listed = "".join(f"- {what}: {text}.\n" for what, text in facts)
    return f"\n## {resource.name}\n\n{listed}\n{markdown(HEAD, rows)}"


def deletions(stream: dict[str, Any]) -> str:
    """Return what is to be said of the stream that no list of Planhat's is behind."""
    rows = [
        (f"`{name}`", _type(schema), schema["description"])
        for name, schema in stream["schema"]["properties"].items()
    ]
    return (
        f"\n## {stream['tap_stream_id']}\n\n- Key: {_names(stream['key_properties'])}.\n"
        "- Deselected by default; needs the setting `inventory_path`.\n\n"
        f"{markdown(('Column', 'Type', 'What it is'), rows)}"
    )


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _type(schema: dict[str, Any]) -> str:
    kinds: list[str] = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    return str(schema.get("format", kind))


def updated() -> str:
    """Return what the page should say."""
    return replaced(PAGE.read_text(), "streams", "".join(map(section, discovered())))


if __name__ == "__main__":
    PAGE.write_text(updated())
