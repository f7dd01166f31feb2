"""The map of the code in CONTRIBUTING.md and the tree are the same."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_MAPPED = {"__init__.py"}


def places():
    """Return the first column of the map's tables."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_module_is_on_the_map_once():
    mapped = places()
    assert len(set(mapped)) == len(mapped)
    folders = tuple(place for place in mapped if place.endswith("/"))
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in (
            "planhat_api",
            "planhat_check",
            "planhat_sandbox",
            "tap_planhat",
            "target_planhat",
        )
        for path in (ROOT / package).rglob("*.py")
        if path.name not in NOT_MAPPED
    }
    assert len(modules) > 40
    missing = {name for name in modules - set(mapped) if not name.startswith(folders)}
    assert missing == set()


def test_every_place_on_the_map_is_there():
    assert [place for place in places() if not (ROOT / place).exists()] == []


def test_every_folder_with_code_is_on_the_map():
    mapped = {place.split("/")[0] for place in places()}
    folders = {path.parent.name for path in ROOT.glob("[a-z]*/*.py")}
    assert folders <= mapped
