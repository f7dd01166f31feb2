"""The folders show the flow: who may import whom, how many files stand side by side, and names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("planhat_api", "planhat_check", "planhat_sandbox", "tap_planhat", "target_planhat")
MOST_FILES = 16
"""Files directly in one folder: more hide what belongs together."""
MAY_IMPORT = {
    "planhat_api": set(),
    "planhat_check": {"planhat_api"},
    "planhat_sandbox": {"planhat_api"},
    "tap_planhat": {"planhat_api"},
    "target_planhat": {"planhat_api"},
}


MAY_NOT_IMPORT = {
    "target_planhat.record": {
        "target_planhat.upsert",
        "target_planhat.batch",
        "target_planhat.tenant",
    },
    "target_planhat.upsert": {"target_planhat.record", "target_planhat.batch"},
    "target_planhat.tenant": {"target_planhat.record", "target_planhat.batch"},
    "target_planhat.report": {"target_planhat.record", "target_planhat.upsert"},
}
"""A record is made without knowing how it is sent, and sent without knowing how it is made."""


def sources():
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


SOURCES = sources()


def imported(module):
    """Return the modules of this distribution that one imports, also those for types alone."""
    found = set()
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            # What is imported may be a module, or something in one.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name in SOURCES:
                found.add(name)
            elif (parent := name.rpartition(".")[0]) in SOURCES:
                found.add(parent)
    return found - {module}


IMPORTS = {module: imported(module) for module in SOURCES}


def within(package):
    """Return the modules of a package with what they import of it."""
    return {
        module: {name for name in names if name.startswith(package)}
        for module, names in IMPORTS.items()
        if module.startswith(package)
    }


def circle(graph):
    """Return the modules of one circle of imports, in order; empty where there is none."""
    done, path = set(), []

    def visit(module):
        if module in done:
            return []
        if module in path:
            return [*path[path.index(module) :], module]
        path.append(module)
        for name in sorted(graph[module]):
            if found := visit(name):
                return found
        path.pop()
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module))), [])


def test_imports_are_read_from_every_module():
    assert len(SOURCES) > 60
    assert "planhat_api.resources" in IMPORTS["planhat_api.schema"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]


def test_no_module_imports_itself_by_way_of_others_not_even_for_types():
    assert circle(IMPORTS) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_stands_below_it(package):
    others = {
        name.partition(".")[0]
        for module, names in IMPORTS.items()
        if module.partition(".")[0] == package
        for name in names
    } - {package}
    assert others <= MAY_IMPORT[package]


def test_the_sandbox_knows_planhat_by_the_property_tables_alone():
    used = {
        name
        for module, names in within("planhat_sandbox").items()
        for name in IMPORTS[module]
        if name.startswith("planhat_api")
    }
    assert used == {"planhat_api.resources"}


@pytest.mark.parametrize("folder", list(MAY_NOT_IMPORT))
def test_a_folder_imports_nothing_that_it_must_do_without(folder):
    modules = {module: names for module, names in IMPORTS.items() if module.startswith(folder)}
    assert modules
    found = {
        (module, name)
        for module, names in modules.items()
        for name in names
        for banned in MAY_NOT_IMPORT[folder]
        if f"{name}.".startswith(f"{banned}.")
    }
    assert found == set()


def test_what_both_connectors_share_does_without_the_singer_sdk():
    for module, path in SOURCES.items():
        if module.startswith(("planhat_api", "planhat_check", "planhat_sandbox")):
            assert "singer_sdk" not in re.findall(
                r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE
            )


def test_no_folder_has_more_files_than_a_reader_keeps_in_mind():
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in SOURCES.values())
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_two_classes_share_a_name():
    names = Counter(
        node.name
        for path in SOURCES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []
