"""What became of the items of a batch, while it is being found out.

Pure. Knows no answer, only what was concluded from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_planhat.outcome import CREATED, MERGED, UNCHANGED, UPDATED, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem


class Ledger:
    """The outcomes of a batch, by item."""

    def __init__(self, size: int) -> None:
        """Start with nothing known of so many items."""
        self.outcomes: list[Outcome | None] = [None] * size

    def note(self, group: MergedItem, outcome: Outcome) -> None:
        """Note what became of a group: written as one, its last member stands for it."""
        *earlier, last = group.positions
        if earlier:
            merged = outcome if outcome.kind is OutcomeKind.REJECTED else MERGED
            for member in earlier:
                self.outcomes[member] = merged
        self.outcomes[last] = outcome

    def restore_counts(self, groups: Sequence[MergedItem], counted: Sequence[Outcome]) -> None:
        """Give groups that were sent again the outcomes that the first answer counted.

        Args:
            groups: Those that answer did not name.
            counted: What it counted of such.
        """
        ends = [group.positions[-1] for group in groups]
        for better, worse in ((CREATED, (UNCHANGED, UPDATED)), (UPDATED, (UNCHANGED,))):
            owed = counted.count(better)
            for outcome in worse:
                for end in ends:
                    if owed and self.outcomes[end] == outcome:
                        self.outcomes[end] = better
                        owed -= 1

    def failed(self, group: MergedItem) -> bool:
        """Tell whether a group, or any of the positions it was taken apart into, failed."""
        outcomes = [self.outcomes[member] for member in group.positions]
        return any(outcome is None or outcome.kind is OutcomeKind.REJECTED for outcome in outcomes)
