"""Collects the outcomes of the items of a batch. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_planhat.outcome import CREATED, MERGED, UNCHANGED, UPDATED, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem


class Ledger:
    """The outcomes of a batch, by item."""

    def __init__(self, size: int) -> None:
        """Start with so many items, all pending."""
        self.outcomes: list[Outcome | None] = [None] * size
        self.ids: dict[int, str] = {}
        """Position -> the `_id` of its record, where that is known and asked for."""
        self.changes: dict[int, Mapping[str, tuple[Any, Any]]] = {}
        """Position -> what it changes, property by property."""

    @property
    def pending(self) -> int:
        """How many items have no outcome."""
        # `count` would compare None with each outcome, field by field.
        return len([one for one in self.outcomes if one is None])

    def record(self, item: MergedItem, outcome: Outcome) -> None:
        """Record the outcome of an item; if it is merged, that of its last record."""
        positions = item.positions
        if len(positions) > 1:
            merged = outcome if outcome.kind is OutcomeKind.REJECTED else MERGED
            for position in positions:
                self.outcomes[position] = merged
        self.outcomes[positions[-1]] = outcome

    def record_all(self, items: Iterable[MergedItem], outcomes: Iterable[Outcome]) -> None:
        """Record the outcomes of several items, in order."""
        for item, outcome in zip(items, outcomes, strict=False):
            # As `record`, without a call for each.
            if len(item.positions) == 1:
                self.outcomes[item.positions[0]] = outcome
            else:
                self.record(item, outcome)

    def identify(self, item: MergedItem, record_id: str) -> None:
        """Take note of the `_id` of an item's record."""
        self.ids.update(dict.fromkeys(item.positions, record_id))

    def restore_counts(self, items: Sequence[MergedItem], counted: Sequence[Outcome]) -> None:
        """Give items that were sent again the outcomes that the first answer counted.

        Args:
            items: Those that answer did not name.
            counted: What it counted of such.
        """
        ends = [item.positions[-1] for item in items]
        for better, worse in ((CREATED, (UNCHANGED, UPDATED)), (UPDATED, (UNCHANGED,))):
            owed = counted.count(better)
            for outcome in worse:
                for end in ends:
                    if owed and self.outcomes[end] == outcome:
                        self.outcomes[end] = better
                        owed -= 1

    def forget(self, item: MergedItem) -> None:
        """Make an item pending again that seemed to have failed."""
        for position in item.positions:
            if self._is_rejected(position):
                self.outcomes[position] = None

    def failed(self, item: MergedItem) -> bool:
        """Return whether an item, or any of those that were merged into it, is not written."""
        return self.rejects(item) or any(self.outcomes[place] is None for place in item.positions)

    def rejects(self, item: MergedItem) -> bool:
        """Return whether an item, or any of those that were merged into it, is rejected."""
        return any(map(self._is_rejected, item.positions))

    def _is_rejected(self, position: int) -> bool:
        outcome = self.outcomes[position]
        return outcome is not None and outcome.kind is OutcomeKind.REJECTED
