"""Findings as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from planhat_check.finding import TENANT, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planhat_check.finding import Finding

_MARKS = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL", Status.UNKNOWN: "?   "}
_CHECK = 18


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings as a JSON object."""
    return json.dumps(
        {
            "findings": [
                {
                    "resource": each.resource,
                    "check": each.check,
                    "status": each.status.value,
                    "seen": each.seen,
                    "follows": each.follows,
                }
                for each in findings
            ]
        },
        indent=2,
        ensure_ascii=False,
    )


def as_table(findings: Sequence[Finding], width: int | None = None) -> str:
    """Return the findings by resource, and a last line that sums up."""
    columns = width or shutil.get_terminal_size().columns
    lines: list[str] = []
    for resource in dict.fromkeys([TENANT, *(each.resource for each in findings)]):
        group = [each for each in findings if each.resource == resource]
        lines += [resource, *(line for each in group for line in _lines(each, columns)), ""]
    counts = Counter(each.status for each in findings)
    summary = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    return "\n".join([*lines, summary])


def _lines(finding: Finding, columns: int) -> list[str]:
    head = f"  {_MARKS[finding.status]}  {finding.check:{_CHECK}}"
    room = max(30, columns - len(head) - 1)
    text = [*textwrap.wrap(finding.seen, room)]
    if finding.follows:
        text += textwrap.wrap(f"-> {finding.follows}", room, subsequent_indent="   ")
    first, *more = text or [""]
    return [f"{head} {first}".rstrip(), *(" " * (len(head) + 1) + line for line in more)]
