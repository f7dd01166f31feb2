"""Items with the same key, merged before they are sent.

The same key twice in one request is undefined, at best an error. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from target_planhat.item import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Identity: TypeAlias = tuple[str, ...]
"""A key and its value, an externalId with its company."""


class MergedItem:
    """Items of one Planhat record, in the order in which they came, sent as one item."""

    __slots__ = ("items", "keys", "positions", "sent")

    def __init__(self, positions: Sequence[int], items: Sequence[Item]) -> None:
        """Merge items: a later one wins, property by property, in `custom` key by key.

        Args:
            positions: Their places in the batch, ascending.
            items: The items at these places.
        """
        self.positions = positions
        self.items = items
        sent = items[0]
        if len(items) > 1:
            keys = {name: value for item in items for name, value in item.keys.items()}
            sent = Item(_merged([item.body for item in items]), keys)
        self.sent = sent
        """The one item that is sent for all."""
        self.keys = sent.keys
        """The keyables of `body`; empty: sending it twice would create it twice."""

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return self.sent.body

    @property
    def encoded(self) -> bytes:
        """The body as JSON, made once however often it is sent.

        Raises:
            TypeError: The body holds what JSON cannot.
        """
        return self.sent.encoded

    def split(self) -> tuple[MergedItem, MergedItem]:
        """Return the earlier and the later half of the positions."""
        half = len(self.items) // 2
        return (
            MergedItem(self.positions[:half], self.items[:half]),
            MergedItem(self.positions[half:], self.items[half:]),
        )


def _merged(bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for body in bodies:
        custom = merged.get("custom")
        merged |= body
        if isinstance(custom, dict) and isinstance(body.get("custom"), dict):
            merged["custom"] = custom | body["custom"]
    return merged


class _OpenItem:
    """A merged item while it is being put together."""

    def __init__(self, wave: int) -> None:
        self.wave = wave
        self.positions: list[int] = []
        self.identities: dict[str, Identity] = {}

    def agrees(self, identities: Iterable[Identity]) -> bool:
        """Return whether none of its keys has another value than one of these."""
        return all(self.identities.get(key[0], key) == key for key in identities)


def waves(items: Sequence[Item], *, distinct: bool = False) -> list[list[MergedItem]]:
    """Merge the items of a batch so that no key is twice in a wave.

    Waves are sent one after the other; there is one, but for contradictions: an item that has
    a key in common with earlier ones but differs from them in another, such as the same sourceId
    under another `_id`, is not merged with them but sent after them, for Planhat to decide.
    Earlier items that each have a key in common with one later item are one record.

    Args:
        items: The batch.
        distinct: Whether it is known that no two items have a key in common.
    """
    if distinct:
        return [[MergedItem((place,), (item,)) for place, item in enumerate(items)]]
    built: list[list[_OpenItem]] = [[]]
    # Key -> the item of the last wave that has it.
    homes: dict[Identity, _OpenItem] = {}
    for place, item in enumerate(items):
        identities = item.identities
        touched = list(dict.fromkeys(homes[key] for key in identities if key in homes))
        last = max((merged.wave for merged in touched), default=0)
        home = _joined([merged for merged in touched if merged.wave == last], identities)
        if home is None:
            wave = last + 1 if touched else 0
            if wave == len(built):
                built.append([])
            home = _OpenItem(wave)
            built[wave].append(home)
        home.positions.append(place)
        home.identities.update((key[0], key) for key in identities)
        for key in home.identities.values():
            if key not in homes or homes[key].wave <= home.wave:
                homes[key] = home
    return [
        [
            MergedItem(merged.positions, [items[place] for place in merged.positions])
            for merged in wave
            if merged.positions
        ]
        for wave in built
    ]


def _joined(found: Sequence[_OpenItem], identities: Iterable[Identity]) -> _OpenItem | None:
    """Merge the items that have a key in common with an item; None if their keys contradict."""
    if not found or not all(merged.agrees(identities) for merged in found):
        return None
    home, *others = found
    for other in others:
        if not home.agrees(other.identities.values()):
            return None
    for other in others:
        home.positions = sorted(home.positions + other.positions)
        home.identities |= other.identities
        other.positions = []
    return home
