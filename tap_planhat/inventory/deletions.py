"""Decides which rows that a rescan did not find are deleted; an existing one is never named.

Pure: the functions that ask Planhat are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tap_planhat.inventory.entries import ID

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tap_planhat.inventory.rescan import Rescan

MOST_ASKED = 1000
"""Rows that are asked for one by one before their lists are read again."""
MANY = 100
"""Missing rows up to which the share of all rows does not matter."""


class Fate(Enum):
    """What became of a row that was not read."""

    GONE = "gone"
    INSIDE = "inside"
    """It exists and is one of those to be read, or it is not certain that it does not."""
    OUTSIDE = "outside"
    """It exists, and has left the companies or dates that are read."""


@dataclass(frozen=True)
class Verdict:
    """The decision about the missing rows."""

    gone: Collection[bytes] = ()
    """Ids of the records that are deleted, each once."""
    kept: Collection[bytes] = ()
    """Entries that stay in the inventory, to be emitted when they are read next."""


def judge(
    rescan: Rescan,
    *,
    ask: Callable[[bytes], Fate] | None,
    read_again: Callable[[], Iterable[bytes]],
) -> Verdict | None:
    """Decide what became of the rows a reading that reached its end has missed.

    Args:
        rescan: What was known and what was read.
        ask: Asks for a row by its id; None: what the stream's one list does not show is gone, or
            its rows cannot be asked for.
        read_again: Reads the ids of the stream's lists once more.

    Returns:
        None where so much is missing that something else must be wrong.

    Raises:
        Exception: Whatever asking and reading raise.
    """
    if rescan.blind:
        return Verdict()
    missing = rescan.missing()
    count = len(missing.ids) + len(missing.unsure)
    if count > max(MANY, rescan.known / 2) and not rescan.withheld:
        return None
    if rescan.pairs:
        return _answers(rescan, missing.ids, missing.unsure, read_again)
    gone, kept = set(missing.ids), set(missing.unsure)
    if len(gone) > MOST_ASKED:
        found = gone.intersection(read_again())
        gone -= found
        kept |= found
    if ask is not None:
        fates = {row_id: ask(row_id) for row_id in sorted(gone)}
        gone = {row_id for row_id, fate in fates.items() if fate is Fate.GONE}
        kept |= {row_id for row_id, fate in fates.items() if fate is Fate.INSIDE}
    return Verdict(sorted(gone), kept)


def _answers(
    rescan: Rescan,
    missing: Collection[bytes],
    unsure: Collection[bytes],
    read_again: Callable[[], Iterable[bytes]],
) -> Verdict:
    """Decide about NPS answers, which cannot be asked for: they may be under another contact."""
    gone = {row_id[ID:] for row_id in missing}
    gone -= rescan.read_answers(gone)
    kept = set(unsure)
    if gone:
        found = {row_id for row_id in read_again() if row_id[ID:] in gone}
        gone -= {row_id[ID:] for row_id in found}
        kept |= found
    gone -= {row_id[ID:] for row_id in unsure}
    return Verdict(sorted(gone), kept)
