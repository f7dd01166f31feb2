"""Counts what became of a run's records, for the report at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from target_planhat.outcome import OutcomeKind
from target_planhat.report.advice import general

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_planhat.outcome import Outcome

REASONS_SHOWN = 5
"""Reasons in the report, the most frequent first."""
_REASONS_KEPT = 1000


class Report:
    """Counts outcomes by stream, and reasons."""

    def __init__(self) -> None:
        """Start at zero."""
        self._outcomes: dict[str, Counter[OutcomeKind]] = defaultdict(Counter)
        self._reasons: Counter[str] = Counter()

    def count(self, stream: str, outcome: Outcome, times: int = 1) -> None:
        """Count what became of a record, or of several."""
        self._outcomes[stream][outcome.kind] += times
        if outcome.kind is OutcomeKind.REJECTED:
            reason = general(outcome.reason)
            if reason in self._reasons or len(self._reasons) < _REASONS_KEPT:
                self._reasons[reason] += 1

    def total(self, kind: OutcomeKind) -> int:
        """Return how many records of all streams have an outcome."""
        return sum(outcomes[kind] for outcomes in self._outcomes.values())

    def lines(self, read: Mapping[str, int]) -> Iterator[str]:
        """Yield the report: a line by stream, then the most frequent reasons.

        Args:
            read: Records read, by stream.
        """
        for stream, figures in self.figures(read).items():
            told = ", ".join(
                f"{count} {name}"
                for name, count in figures.items()
                if name != "read" and (count or name in {"created", "updated", "rejected"})
            )
            yield f"{stream}: {figures['read']} read = {told}"
        for reason, count in self._reasons.most_common(REASONS_SHOWN):
            yield f"{count} rejected: {reason}"

    def figures(self, read: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Return stream -> outcome -> count; records without an outcome are `pending`."""
        table: dict[str, dict[str, int]] = {}
        for stream, count in read.items():
            outcomes = self._outcomes[stream]
            table[stream] = {"read": count, **{kind.value: outcomes[kind] for kind in OutcomeKind}}
            pending = count - sum(outcomes.values())
            if pending:
                table[stream]["pending"] = pending
        return table

    def metric(self, read: Mapping[str, int]) -> dict[str, Any]:
        """Return the report as one object, for programs that read logs."""
        return {
            "type": "counter",
            "metric": "record_outcomes",
            "value": sum(read.values()),
            "streams": self.figures(read),
            "reasons": dict(self._reasons.most_common(REASONS_SHOWN)),
        }
