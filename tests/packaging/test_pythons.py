"""`make test-pythons`: every declared Python is tested, or said to be missing."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "pythons.py"
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def pythons(monkeypatch):
    """The script's names; with an interpreter of this version and of no other."""
    module = runpy.run_path(str(SCRIPT))
    names = module["main"].__globals__
    monkeypatch.setitem(names, "found", {THIS: sys.executable}.get)
    monkeypatch.setitem(names, "tested", lambda _version, _interpreter: True)
    monkeypatch.setitem(names, "installable", lambda _version: True)
    return names


def test_the_versions_are_those_that_are_declared(pythons):
    assert pythons["declared"]() == ["3.10", "3.11", "3.12", "3.13", "3.14"]


def test_an_interpreter_is_found_only_if_it_is_of_the_version(monkeypatch):
    module = runpy.run_path(str(SCRIPT))
    monkeypatch.setitem(module["found"].__globals__, "_candidates", lambda _: [sys.executable])
    assert module["found"](THIS) == sys.executable
    assert module["found"]("3.99") is None


def test_what_was_not_tested_is_said(pythons, capsys):
    assert pythons["main"]([]) == 0
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines()[1:])
    assert said.keys() == {f"Python {version}" for version in pythons["declared"]()}
    assert said.pop(f"Python {THIS}") == "passed"
    assert all(outcome.startswith("not tested") for outcome in said.values())


def test_a_version_that_is_asked_for_must_be_there(pythons):
    assert pythons["main"]([THIS]) == 0
    assert pythons["main"]([THIS, "3.99"]) == 1


@pytest.mark.parametrize("what", ["tested", "installable"])
def test_a_failure_on_any_version_fails_all(pythons, monkeypatch, what):
    monkeypatch.setitem(pythons, what, lambda *_: False)
    assert pythons["main"]([]) == 1
