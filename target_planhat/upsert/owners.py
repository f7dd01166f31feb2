"""Finds different records of the source that would become one Planhat record. Pure.

Records are the same if they have their stream and the values of its key properties in common. Of
others that share a Planhat key, the later one would overwrite the earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planhat_api.redact import shown
from target_planhat.item import PER_COMPANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_planhat.item import Deletion, Item, Origin
    from target_planhat.upsert.merge import Identity

MOST_KEYS = 200_000
"""Keys that a run remembers for each resource, in about 37 MB."""


class KeyOwners:
    """Remembers which record of the source each key of one resource belongs to."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        """Remember nothing yet.

        Args:
            most: Keys to remember. Later keys are compared with these, and within their batch.
        """
        self._most = most
        # Hash of a key -> the record it belongs to.
        self._owners: dict[int, Origin] = {}
        # Hash of a key -> two records that share it.
        self._shared: dict[int, tuple[Origin, Origin]] = {}

    def check(self, items: Sequence[Item]) -> tuple[dict[int, str], bool]:
        """Remember which records the keys of items belong to.

        Returns:
            The places of items that share a key with another record of the source, and why they
            cannot be sent; and whether no two items have a key in common.
        """
        pairs = [
            (hash(key), item.origin)
            for item in items
            # As in `_identities`, without a call for each.
            for key in (item.identities if PER_COMPANY in item.keys else item.keys.items())
        ]
        owned = dict(pairs)
        distinct = len(owned) == len(pairs)
        if not distinct:
            first: dict[int, Origin | None] = {}
            for key, origin in pairs:
                self._compare(key, origin, first.setdefault(key, origin))
        for key in self._owners.keys() & owned.keys():
            self._compare(key, owned[key], self._owners[key])
        if len(self._owners) < self._most:
            self._owners |= {key: one for key, one in owned.items() if one is not None}
        if self._shared.keys().isdisjoint(owned):
            return {}, distinct
        reasons = {place: self._reason(item) for place, item in enumerate(items)}
        return {place: reason for place, reason in reasons.items() if reason}, distinct

    def check_deletion(self, deletion: Deletion) -> str:
        """Return why a deletion would delete another record, or "" if that is not known."""
        for key in deletion.identities:
            self._compare(hash(key), deletion.origin, self._owners.get(hash(key)))
        return self._reason(deletion)

    def release(self, deletion: Deletion) -> None:
        """Forget the keys of a record that was deleted."""
        for key in deletion.identities:
            self._owners.pop(hash(key), None)

    def _compare(self, key: int, one: Origin | None, other: Origin | None) -> None:
        if one is not None and other is not None and one != other:
            self._shared.setdefault(key, (one, other))

    def _reason(self, item: Item | Deletion) -> str:
        """Return why an item is rejected that shares a key with another record, or ""."""
        if item.origin is None:
            return ""
        for key in _identities(item):
            if (shared := self._shared.get(hash(key))) is not None:
                other = shared[0] if shared[0] != item.origin else shared[1]
                return (
                    f"Its {key[0]} {shown(key[1])} is also that of another record: "
                    f"{_named(item.origin)} and {_named(other)} would become one in Planhat. Map a "
                    f"column to {key[0]} that tells them apart; if they are one record, say so by "
                    f"`__key_properties__: [{key[0]}]` in the stream's map."
                )
        return ""


def _identities(item: Item | Deletion) -> Iterable[Identity]:
    keys = item.keys
    # An externalId is compared together with its company, all other keys alone.
    return item.identities if PER_COMPANY in keys else keys.items()


def _named(origin: Origin) -> str:
    (stream, names), values = origin
    if len(names) == 1 and not isinstance(values, tuple):
        values = (values,)
    texts = ["null" if value is None else shown(value) for value in values]
    told = ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=False))
    return " ".join(part for part in (stream, told) if part) or "a record"
