"""The counts of docs/compared.md, as far as they can be made without the other tools."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import compared
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant

PAGE = Path(__file__).parents[2] / "docs" / "compared.md"


def test_the_page_shows_what_the_tap_reads_of_the_sample_tenant(tmp_path):
    tenant = Tenant(SandboxOptions(steady=True))
    sample.fill(tenant, datetime.now(timezone.utc))
    with running(tenant) as sandbox:
        lines = compared.table({"tap-planhat": compared.tap(sandbox.url, tmp_path)})[2:]
    shown = re.findall(r"^\| ([^|]+) \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text(), re.MULTILINE)
    assert [f"| {title} | {tap} |" for title, _, tap in shown] == lines
    assert all(there == tap for _, there, tap in shown)


def test_a_list_that_a_reader_does_not_have_is_not_shown_as_empty():
    one = compared.Stream()
    one.add("an id", archived=True)
    one.add("an id", archived=False)
    lines = compared.table({"reader": {"tasks": one, "nps": one}})
    assert "| tasks | 2 |" in lines
    assert "| of them archived | 1 |" in lines
    assert "| NPS answers after deduplication by `_id` | 1 |" in lines
    assert "| campaigns | no such stream |" in lines
