"""Which package may import which: neither connector needs the other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_NOT = {
    "planhat_api": {"tap_planhat", "target_planhat", "planhat_sandbox", "singer_sdk"},
    "tap_planhat": {"target_planhat", "planhat_sandbox"},
    "target_planhat": {"tap_planhat", "planhat_sandbox"},
    "target_planhat/record": {"target_planhat.upsert", "target_planhat.tenant"},
    "target_planhat/upsert": {"target_planhat.record", "target_planhat.batch"},
    "target_planhat/tenant": {"target_planhat.record", "target_planhat.batch"},
    "target_planhat/report": {"target_planhat.record", "target_planhat.upsert"},
}


def imported(path):
    """Return the modules that a file imports, for types too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("folder", list(MAY_NOT))
def test_no_package_imports_what_it_must_do_without(folder):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    found = {
        (path.name, module)
        for path in files
        for module in imported(path)
        if any(f"{module}.".startswith(f"{banned}.") for banned in MAY_NOT[folder])
    }
    assert found == set()
