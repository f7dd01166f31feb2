"""State of one resource that is kept from batch to batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_planhat.upsert.check import Check
    from target_planhat.upsert.chunks import Limits
    from target_planhat.upsert.ids import KnownIds
    from target_planhat.upsert.sender import BulkSender


@dataclass
class UpsertState:
    """What a run remembers from batch to batch of one resource."""

    call: str
    """Method and path, for messages."""
    sender: BulkSender
    ids: KnownIds
    limits: Limits
    counts: bool = False
    """Whether the server counts what it writes; then an answer without counts is suspicious."""
    unanswered: int = 0
    """Requests of items without a key in a row that went unanswered."""
    check: Check | None = None
    names_records: bool = False
    """Read the `_id`s of what was written out of the answers."""
    dry_run: bool = False
