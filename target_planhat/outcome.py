"""What can become of a record: the words that the other modules share.

Knows nothing of how it came to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OutcomeKind(Enum):
    """How a record ended; each one ends in exactly one way."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    """Planhat had it already, as it was sent."""
    MERGED = "merged"
    """Went out as part of a later record with the same key."""
    DELETED = "deleted"
    """Deleted, or gone already."""
    SKIPPED = "skipped"
    """Not to be written, by the settings."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record."""

    kind: OutcomeKind
    reason: str = ""
    """Of a rejected or skipped record: why, in a sentence."""
    status: int | None = None
    """Of a record that Planhat rejected: the HTTP status it said so with."""


CREATED = Outcome(OutcomeKind.CREATED)
UPDATED = Outcome(OutcomeKind.UPDATED)
UNCHANGED = Outcome(OutcomeKind.UNCHANGED)
MERGED = Outcome(OutcomeKind.MERGED)
DELETED = Outcome(OutcomeKind.DELETED)
SKIPPED = Outcome(OutcomeKind.SKIPPED)


def rejected(reason: str, status: int | None = None) -> Outcome:
    """Return the outcome of a record that is not written."""
    return Outcome(OutcomeKind.REJECTED, reason, status)


def skipped(reason: str) -> Outcome:
    """Return the outcome of a record that the settings leave out."""
    return Outcome(OutcomeKind.SKIPPED, reason)
