"""Writes what `--about` says of the settings into meltano.yml and README.md.

Run by `make docs`; a test fails while a file is behind.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CONNECTORS = ("tap-planhat", "target-planhat")
_FORMATS = {"date-time": "date_iso8601"}


def about(connector: str) -> dict[str, Any]:
    """Return the settings' JSON Schemas by name, as the connector announces them.

    Raises:
        subprocess.CalledProcessError: The connector does not start.
    """
    command = [str(Path(sys.executable).with_name(connector)), "--about", "--format", "json"]
    found = subprocess.run(command, check=True, capture_output=True)
    settings: dict[str, Any] = json.loads(found.stdout)["settings"]
    required = settings.get("required", ())
    return {
        name: {**item, "required": name in required}
        for name, item in settings["properties"].items()
    }


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
                lines += [f"  - label: {value.capitalize()}", f"    value: {value}"]
        if "default" in item:
            lines.append(f"  value: {json.dumps(item['default'])}")
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def readme(settings: dict[str, Any]) -> str:
    """Return the settings as a table in Markdown."""
    lines = ["| Setting | Default | What it does |", "|---|---|---|"]
    for name, item in settings.items():
        default = "required" if item["required"] else f"`{json.dumps(item.get('default'))}`"
        if default == "`null`":
            default = ""
        text = item["description"].replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {text} |")
    return "".join(f"{line}\n" for line in lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def replaced(text: str, name: str, block: str, comment: tuple[str, str]) -> str:
    """Return the text with what stands between a connector's two marks replaced.

    Raises:
        ValueError: The marks are not there.
    """
    first = f"{comment[0]}settings of {name}: made by `make docs`{comment[1]}\n"
    last = f"{comment[0]}end of settings of {name}{comment[1]}\n"
    pattern = re.compile(f"({re.escape(first)}).*?([ ]*{re.escape(last)})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no marks for the settings of {name}")
    return pattern.sub(lambda found: found[1] + block + found[2], text)


def updated() -> dict[Path, str]:
    """Return what the files should say."""
    files = {ROOT / name: (ROOT / name).read_text() for name in ("meltano.yml", "README.md")}
    yml, md = files
    for connector in CONNECTORS:
        settings = about(connector)
        files[yml] = replaced(files[yml], connector, meltano(settings), ("# ", ""))
        files[md] = replaced(files[md], connector, readme(settings), ("<!-- ", " -->"))
    return files


def main() -> None:
    """Write the files."""
    for path, text in updated().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
