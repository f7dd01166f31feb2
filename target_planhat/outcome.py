"""The outcomes that a record can have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OutcomeKind(Enum):
    """The kinds of outcome; each record has exactly one."""

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
    """The outcome of one record."""

    kind: OutcomeKind
    reason: str = ""
    """Of a rejected or skipped record: why, in a sentence."""
    status: int | None = None
    """The HTTP status with which Planhat rejected the record; None: Planhat did not."""


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
