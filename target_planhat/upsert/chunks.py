"""Cuts what is to be sent into requests.

Pure. Knows how much a request may hold, not what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planhat_api.resources import MAX_BULK_ITEMS
from target_planhat.outcome import rejected
from target_planhat.upsert.pack import Packed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_planhat.outcome import Outcome
    from target_planhat.upsert.merge import MergedItem

KEYLESS_ITEMS = 100
"""Items without a key in one request: as many may end as unknown at once."""


@dataclass
class Limits:
    """How much a request may hold."""

    items: int = MAX_BULK_ITEMS
    bytes: int = 8_000_000
    """Of several items; lowered when the server finds less too large."""


def whole(wave: Sequence[MergedItem], limits: Limits) -> bytes | None:
    """Return the body of a wave that fits into one request, if it is encoded already.

    So it is, in its packs, unless items were merged or fail to encode.
    """
    if not 0 < len(wave) <= limits.items or not all(group.keys for group in wave):
        return None
    alone = [group.items[0] for group in wave if len(group.items) == 1]
    items = [item for item in alone if isinstance(item, Packed)]
    packs = dict.fromkeys(item.pack for item in items)
    # As many groups as the packs have items: each item is here, and in a group of its own.
    if not len(wave) == len(items) == sum(pack.size for pack in packs):
        return None
    pieces = [pack.encoded for pack in packs if pack.encoded is not None]
    if len(pieces) < len(packs):
        return None
    body = b"[%b]" % b",".join(pieces)
    return body if len(body) <= limits.bytes else None


def unfit(group: MergedItem) -> Outcome | None:
    """Return why an item cannot be encoded, if so."""
    try:
        group.encoded  # noqa: B018 - kept for the requests
    except TypeError as error:
        return rejected(f"It cannot be put in JSON: {error}.")
    return None


def cut(groups: Sequence[MergedItem], limits: Limits) -> Iterator[list[MergedItem]]:
    """Yield requests of items that can be encoded; items without a key go apart.

    The limits hold as they are when a request is asked for.
    """
    keyed = [group for group in groups if group.keys]
    keyless = [group for group in groups if not group.keys]
    for kind, most in ((keyed, MAX_BULK_ITEMS), (keyless, KEYLESS_ITEMS)):
        piece: list[MergedItem] = []
        size = 0
        for group in kind:
            length = len(group.encoded) + 1
            full = len(piece) >= min(most, limits.items)
            if piece and (full or size + length >= limits.bytes):
                yield piece
                piece, size = [], 0
            piece.append(group)
            size += length
        if piece:
            yield piece
