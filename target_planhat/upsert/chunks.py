"""Splits what is to be sent into requests of a size that Planhat takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from operator import attrgetter
from typing import TYPE_CHECKING

from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.outcome import rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem

KEYLESS_ITEMS = 100
"""Most items without a key in a request: the outcome of all of them may stay unknown."""


@dataclass
class Limits:
    """How much a request may hold."""

    items: int = MAX_BULK_ITEMS
    bytes: int = 8_000_000
    """Of several items; lowered when the server finds less too large."""


@dataclass(frozen=True)
class Part:
    """Items that go out in one request: all with a key, or all without."""

    items: list[MergedItem]
    why: str = ""
    """Why they are sent again; "" the first time."""
    first: bool = False
    body: bytes | None = None
    """The encoded items, if they were encoded already."""
    granted: bool = False
    """Whether calls were added to the budget for finding the failed items."""

    def split(self, why: str, failures: int, *, singles: int) -> list[Part]:
        """Return the parts in which the items are sent again.

        Args:
            why: As `why`.
            failures: How many of them failed; 0: not known. If many, they go out one by one.
            singles: How many go out alone, before the halves of the others.
        """
        step = ceil(len(self.items) / singles) if singles else len(self.items) + 1
        if 3 * failures >= len(self.items):
            step = 1
        alone = self.items[::step] if step <= len(self.items) else []
        others = [item for place, item in enumerate(self.items) if not alone or place % step]
        middle = len(others) // 2
        parts = [*([item] for item in alone), others[:middle], others[middle:]]
        granted = self.granted or failures > 0
        return [Part(items, why, granted=granted) for items in parts if items]


def calls_to_find(failures: int, items: int) -> int:
    """Return how many calls it takes at most to find so many failed ones of some items."""
    return failures * (2 * ceil(log2(items / failures)) + 3) if failures else 0


def encoded(items: Sequence[MergedItem]) -> bytes:
    """Return the JSON array of some items, each of which is encoded once for all requests.

    Raises:
        TypeError: One holds what JSON cannot.
    """
    parts = [item.sent.encoded for item in items]
    # Brackets are joined with the rest: megabytes are copied once.
    parts[0] = b"[" + parts[0]
    parts[-1] += b"]"
    return b",".join(parts)


def encoded_as_one(wave: Sequence[MergedItem], limits: Limits) -> bytes | None:
    """Return the body of a wave if it fits into one request, all of it with keys."""
    if not 0 < len(wave) <= limits.items or not all(map(attrgetter("keys"), wave)):
        return None
    try:
        body = encoded(wave)
    except TypeError:
        return None
    return body if len(body) <= limits.bytes else None


def encoding_error(item: MergedItem) -> Outcome | None:
    """Return why an item cannot be encoded, if so."""
    try:
        item.encoded  # noqa: B018 - kept for the requests
    except TypeError as error:
        return rejected(f"It cannot be put in JSON: {error}.")
    return None


def chunked(items: Sequence[MergedItem], limits: Limits) -> Iterator[Part]:
    """Yield requests of items that can be encoded; items without a key go apart.

    The limits hold as they are when a request is asked for.
    """
    keyed = [item for item in items if item.keys]
    keyless = [item for item in items if not item.keys]
    for kind, most in ((keyed, MAX_BULK_ITEMS), (keyless, KEYLESS_ITEMS)):
        part: list[MergedItem] = []
        size = 0
        for item in kind:
            length = len(item.encoded) + 1
            full = len(part) >= min(most, limits.items)
            if part and (full or size + length >= limits.bytes):
                yield Part(part, first=True)
                part, size = [], 0
            part.append(item)
            size += length
        if part:
            yield Part(part, first=True)
