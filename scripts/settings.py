"""Writes what `--about` says of the settings: meltano.yml, docs/settings.md, docs/schemas/.

Run by `make docs`; a test fails while a file is behind.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parent.parent
CONNECTORS = ("tap-planhat", "target-planhat")
_FORMATS = {"date-time": "date_iso8601"}


@functools.cache
def announced(connector: str) -> dict[str, Any]:
    """Return all that a connector says of itself.

    Raises:
        subprocess.CalledProcessError: The connector does not start.
    """
    command = [str(Path(sys.executable).with_name(connector)), "--about", "--format", "json"]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    return found


def about(connector: str) -> dict[str, Any]:
    """Return the settings' JSON Schemas by name, as the connector announces them."""
    settings = announced(connector)["settings"]
    required = settings.get("required", ())
    return {
        name: {**item, "required": name in required}
        for name, item in settings["properties"].items()
    }


def schema(connector: str) -> str:
    """Return the JSON Schema of a connector's settings file, for editors and checks."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Settings of {connector}",
    }
    found = _sound({**head, **announced(connector)["settings"], "additionalProperties": False})
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _sound(part: Any) -> Any:
    """Return a part of a schema without the SDK's slip: `"null"` in place of a schema."""
    if isinstance(part, dict):
        return {
            name: [{"type": "null"} if one == "null" else _sound(one) for one in item]
            if name == "anyOf"
            else _sound(item)
            for name, item in part.items()
        }
    return part


def _kind(item: dict[str, Any]) -> str:
    kinds: list[str] = item["type"] if isinstance(item["type"], list) else [item["type"]]
    return next(kind for kind in kinds if kind != "null")


def meltano(settings: dict[str, Any], indent: int = 4) -> str:
    """Return the `settings:` list of a plugin in meltano.yml."""
    lines = []
    for name, item in settings.items():
        kind = "options" if "enum" in item else _FORMATS.get(item.get("format", ""), _kind(item))
        lines += [
            f"- name: {name}",
            f"  label: {item.get('title', name)}",
            f"  description: {_quoted(item['description'])}",
            f"  kind: {kind}",
        ]
        if item.get("secret"):
            lines.append("  sensitive: true")
        if "enum" in item:
            lines.append("  options:")
            for value in item["enum"]:
                # In quotes, as YAML takes off for false.
                label = value.capitalize().replace("_", " ")
                lines += [f"  - label: {json.dumps(label)}", f"    value: {json.dumps(value)}"]
        if "default" in item:
            lines.append(f"  value: {json.dumps(item['default'])}")
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def table(settings: dict[str, Any]) -> str:
    """Return the settings, as `about` returns them, as a table in Markdown."""
    rows = []
    for name, item in settings.items():
        default = "required" if item["required"] else f"`{json.dumps(item.get('default'))}`"
        if default == "`null`":
            default = ""
        rows.append((f"`{name}`", _type(item), default, item["description"]))
    return markdown(("Setting", "Type", "Default", "What it does"), rows)


def _type(item: dict[str, Any]) -> str:
    if "enum" in item:
        return " or ".join(f"`{value}`" for value in item["enum"])
    limits = [
        f"{word} {item[key]:,}"
        for key, word in (("minimum", "from"), ("maximum", "to"))
        if key in item
    ]
    return " ".join([item.get("format", _kind(item)), *limits])


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as a table below its head."""
    lines = [f"| {' | '.join(head)} |\n", f"|{'---|' * len(head)}\n"]
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def replaced(text: str, what: str, block: str, comment: tuple[str, str] = ("<!-- ", " -->")) -> str:
    """Return the text with what stands between two marks replaced.

    Args:
        text: Of the file.
        what: What the marks name.
        block: What is to stand between them.
        comment: How a comment begins and ends in the file.

    Raises:
        ValueError: The marks are not there.
    """
    first = f"{comment[0]}{what}: made by `make docs`{comment[1]}\n"
    last = f"{comment[0]}end of {what}{comment[1]}\n"
    pattern = re.compile(f"({re.escape(first)}).*?([ ]*{re.escape(last)})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no marks for the {what}")
    return pattern.sub(lambda found: found[1] + block + found[2], text)


def updated() -> dict[Path, str]:
    """Return what the files should hold."""
    yml, page = ROOT / "meltano.yml", ROOT / "docs" / "settings.md"
    files = {path: path.read_text() for path in (yml, page)}
    for connector in CONNECTORS:
        settings = about(connector)
        what = f"settings of {connector}"
        files[yml] = replaced(files[yml], what, meltano(settings), ("# ", ""))
        files[page] = replaced(files[page], what, table(settings))
        files[ROOT / "docs" / "schemas" / f"{connector}.json"] = schema(connector)
    return files


def main() -> None:
    """Write the files."""
    for path, text in updated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
