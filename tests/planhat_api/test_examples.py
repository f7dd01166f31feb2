"""The usage examples in docstrings are true."""

from __future__ import annotations

import doctest

import pytest

from planhat_api import client, dates, scan
from planhat_api.calls import budget
from planhat_api.resources import TASKS
from planhat_api.settings import ClientSettings

ROWS = [
    {"_id": "61f1ab0e2c1d3a0011aa0001", "action": "Call the sponsor"},
    {"_id": "61f1ab0e2c1d3a0011aa0002", "action": "Renewal meeting"},
]


@pytest.mark.parametrize("module", [budget, client, dates, scan], ids=lambda each: each.__name__)
def test_the_examples_of_a_module_are_true(module, server, monkeypatch):
    server.will(server.answering(ROWS), server.answering({}, 404))
    monkeypatch.setattr(ClientSettings, "base_url", server.url)
    result = doctest.testmod(module, extraglobs={"TASKS": TASKS})
    assert result.attempted
    assert not result.failed
