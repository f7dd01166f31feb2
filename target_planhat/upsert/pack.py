"""Waiting records and their items, encoded to bytes a few dozen at a time.

Kept as objects, thousands of records are scattered over the memory: to find them again for
encoding, and to free them one by one, took a third of the target's time. Few are ever decoded
again, those of a request that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from target_planhat.item import identities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_planhat.item import Origin

SIZE = 50
"""Records in a pack: more would have left the processor's caches when they are encoded."""


class Pack:
    """Records and their items; objects until `seal`, bytes from then on."""

    __slots__ = ("_bodies", "_messages", "_text", "encoded", "size")

    def __init__(self) -> None:
        """Start empty."""
        self.size = 0
        self.encoded: bytes | None = None
        """The items' JSON with commas between; None: not sealed, or one cannot be put in JSON."""
        self._bodies: list[dict[str, Any]] = []
        self._messages: list[bytes] = []
        self._text = b""

    def add(self, body: dict[str, Any], message: bytes) -> int:
        """Add an item and its RECORD message; return its place."""
        place = self.size
        self._bodies.append(body)
        # The input's last line may lack its end, and a stream map may make two items of it.
        self._messages.append(message if message.endswith(b"\n") else message + b"\n")
        self.size = place + 1
        return place

    def seal(self) -> None:
        """Encode all of it; nothing can be added afterwards."""
        try:
            self.encoded = orjson.dumps(self._bodies)[1:-1]
        except TypeError:
            return
        self._text = b"".join(self._messages)
        self._bodies, self._messages = [], []

    def body(self, place: int) -> dict[str, Any]:
        """Return an item."""
        if not self._bodies and self.encoded is not None:
            self._bodies = orjson.loads(b"[%b]" % self.encoded)
        return self._bodies[place]

    def message(self, place: int) -> bytes:
        """Return the message of a record."""
        if not self._messages:
            # Each ends with its line's end, and holds no other.
            self._messages = self._text.split(b"\n")
        return self._messages[place]


class Packed(NamedTuple):
    """An item in a pack."""

    pack: Pack
    place: int
    keys: Mapping[str, str]
    """As an Item's."""
    company: str | None
    origin: Origin | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return self.pack.body(self.place)

    @property
    def identities(self) -> tuple[tuple[str, ...], ...]:
        """As an Item's."""
        return identities(self.keys, self.company)
