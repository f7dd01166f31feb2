"""What follows from an answer for items that it does not name; the words of rejects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_planhat.outcome import rejected
from target_planhat.upsert.response import ALL_WELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem
    from target_planhat.upsert.response import BulkResponse

_SUCCESS = range(200, 300)
_SOME_FAILED = 206


def explained(
    reading: BulkResponse,
    status: int,
    sent: Sequence[MergedItem],
    rest: Sequence[MergedItem],
    *,
    counting: bool,
) -> bool:
    """Tell whether those that an answer does not name can be taken for written.

    Args:
        reading: What the answer says.
        status: Its status.
        sent: All items of the request.
        rest: Those that it does not name.
        counting: The server is known to count what it writes.
    """
    if not rest:
        return True
    named = len(reading.failed)
    if reading.suspected:
        if sent[0].keys:
            # The text may mean another: the others must be seen to be well without it.
            return False
        named += len(reading.suspected)
    if reading.errors != named:
        return False
    if reading.counts:
        return reading.counted + reading.errors >= len(sent)
    return _believed(reading, status, counting=counting)


def written(reading: BulkResponse, status: int, *, counting: bool) -> bool:
    """Tell whether an answer says that an item which was sent alone was written."""
    if reading.errors or status not in _SUCCESS:
        return False
    return reading.counted > 0 or _believed(reading, status, counting=counting)


def _believed(reading: BulkResponse, status: int, *, counting: bool) -> bool:
    """Tell whether an answer that counts nothing means that all were written."""
    return status in ALL_WELL and reading.silent and not counting


def alone(reading: BulkResponse, status: int) -> Outcome:
    """Return why an item that was sent alone, and was not called written, is rejected.

    Without a status it may have been written.
    """
    words = next(iter([*reading.failed.values(), *reading.suspected.values(), reading.words]))
    if reading.errors or status not in _SUCCESS or status == _SOME_FAILED:
        return refusal(words, status)
    if reading.counts:
        return rejected("Planhat answered that all is well, but did not write it.", status)
    return unknown(f"Planhat answers with {status} but counts nothing", words)


def refusal(words: str, status: int) -> Outcome:
    """Return the outcome of an item that Planhat refuses, in these words of its own."""
    said = f": {words}" if words else f" with status {status}, and does not say why."
    return rejected(f"Planhat refuses it{said}", status)


def unknown(what: str, words: str) -> Outcome:
    """Return the outcome of an item that may have been written."""
    said = f" ({words})" if words else ""
    return rejected(f"It is not known whether it was written: {what}{said}.")
