"""Records that wait to be sent, and the items they became, as bytes: a few dozen together.

As objects, thousands of them lie all over the memory. To find them again there when they are
encoded, and to free them one by one, took a third of the time of everything done about them. Few
are ever looked at again: those of a request that failed.

Knows nothing of what a record means or where it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from target_planhat.item import identities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_planhat.item import Origin

SIZE = 50
"""Records in a pack: more would no longer be in the processor's caches when they are packed."""


class Pack:
    """Records and their items, objects until it is sealed."""

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
        """Take an item and the message its record came in; return its place."""
        place = self.size
        self._bodies.append(body)
        # The input's last line may lack its end, and a stream map may make two items of it.
        self._messages.append(message if message.endswith(b"\n") else message + b"\n")
        self.size = place + 1
        return place

    def seal(self) -> None:
        """Turn all of it into bytes; nothing can be added any more."""
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
