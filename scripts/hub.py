"""Writes plugins/: what Meltano Hub, or `meltano add --from-ref`, needs to know of each connector.

Run by `make docs`; a test fails while a file is behind. Everything a connector can say of itself
comes from its `--about`; keys stand in the order that the Hub's own files have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]
from settings import CONNECTORS, ROOT, about, announced, meltano

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {"tap": "extractors", "target": "loaders"}
"""First part of a connector's name -> its folder."""
DISTRIBUTION = "singer-planhat"
SELECT = {"tap-planhat": {"select": ["*.*", "!deletions.*"]}}
"""What Meltano selects: all but the stream that needs a setting."""
_HEAD = "# Made by `make docs` from `{} --about`.\n"
_COMMON: dict[str, Any] = {
    "description": "Customer success platform",
    "domain_url": "https://www.planhat.com",
    "keywords": ["api", "meltano_sdk"],
    "label": "Planhat",
    # How the Singer SDK words its log, which Meltano then takes apart.
    "log_parser": "singer-sdk",
    "maintenance_status": "beta",
    "pip_url": DISTRIBUTION,
    # The Hub's maintainers rate a connector, not its authors.
    "quality": "unknown",
    "variant": DISTRIBUTION,
}


def definition(connector: str) -> dict[str, Any]:
    """Return a connector's definition as the Hub has it."""
    said = announced(connector)
    sentence: str = said["description"]
    settings = about(connector)
    listed = yaml.safe_load(meltano(settings))
    return {
        **_COMMON,
        "capabilities": sorted(said["capabilities"]),
        # The Hub puts "The tap-planhat extractor" before it.
        "definition": sentence[0].lower() + sentence[1:].rstrip("."),
        "executable": connector,
        "name": connector,
        "namespace": connector.replace("-", "_"),
        **SELECT.get(connector, {}),
        "settings": sorted(listed, key=lambda setting: str(setting["name"])),
        "settings_group_validation": [
            sorted(name for name, item in settings.items() if item["required"])
        ],
        "supported_python_versions": said["supported_python_versions"],
    }


def path(connector: str) -> Path:
    """Return the file of a connector's definition."""
    kind = KINDS[connector.partition("-")[0]]
    return ROOT / "plugins" / kind / connector / f"{DISTRIBUTION}.yml"


def updated() -> dict[Path, str]:
    """Return what the files should say."""
    return {
        path(connector): _HEAD.format(connector)
        + yaml.safe_dump(definition(connector), allow_unicode=True, width=100)
        for connector in CONNECTORS
    }


def main() -> None:
    """Write the files."""
    for file, text in updated().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
