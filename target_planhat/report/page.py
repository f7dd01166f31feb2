"""What was done about the records, as one HTML page for people who run the CRM.

Self-contained: it loads nothing, and everything but search works without its script. At most some
hundred records of each outcome are listed. `html.py` makes the parts.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from target_planhat.report import html
from target_planhat.report.advice import general
from target_planhat.report.html import LISTED, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_planhat.report.changes import RecordReport, ReportFile

_REASONS_KEPT = 1000
_KEYS_SHOWN = 3
"""Records of a reason that are named: enough to look into it."""


class HtmlPage:
    """Collects what a page shows, and writes it at the end of the run."""

    MARK = re.compile(b'<meta name="generator" content="target-planhat">')

    def __init__(self, file: ReportFile) -> None:
        """Start empty; an earlier report stays until `finish`."""
        self._file = file
        self._records: dict[str, list[RecordReport]] = {outcome: [] for outcome in LISTED}
        self._reasons: dict[tuple[str, str], Reason] = {}
        self._properties: Counter[str] = Counter()

    def add(self, record: RecordReport) -> None:
        """Add a record."""
        listed = self._records[record.outcome]
        if len(listed) < LISTED[record.outcome]:
            listed.append(record)
        if record.outcome == "updated":
            self._properties.update(record.changes.keys())
        if record.reason:
            self._count_reason(record)

    def flush(self) -> None:
        """Do nothing: a page is written at the end."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the page, and close the file.

        Raises:
            OSError: The disk is full.
        """
        self._file.clear()
        self._file.write("\n".join(self._page(summary)).encode("utf-8", "replace"))
        self._file.close()

    def _page(self, summary: Mapping[str, Any]) -> Iterator[str]:
        listed = [record for records in self._records.values() for record in records]
        yield from html.head(summary)
        yield from html.what_to_do(list(self._reasons.values()), dry_run=summary["dry_run"])
        yield from html.what_changes(self._properties)
        yield from html.records(listed, summary["figures"])
        yield from html.end(summary)

    def _count_reason(self, record: RecordReport) -> None:
        kind = (record.outcome, general(record.reason))
        if kind not in self._reasons and len(self._reasons) >= _REASONS_KEPT:
            return
        reason = self._reasons.setdefault(kind, Reason(record))
        reason.count += 1
        if len(reason.keys) < _KEYS_SHOWN:
            reason.keys.append(html.key(record))
