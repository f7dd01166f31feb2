"""A reading of the whole stream: compared with what was noted before, it makes a new base.

Files of the key that STATE neither names nor knows replaced are *stray*: a run died after writing
them, another one began from the same STATE, or STATE was put back. What they hold may have been
loaded or not, so a row is emitted if any of them holds another digest of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from tap_planhat.inventory.entries import (
    ID,
    UNKNOWN,
    EntryTable,
    Layer,
    answers,
    compare,
    join,
    merge,
    shared,
)
from tap_planhat.inventory.files import UnusableError, stamp, stamped
from tap_planhat.inventory.join import Join, noted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_planhat.inventory.shelf import Shelf

logger = logging.getLogger("tap-planhat")

MARGIN = timedelta(days=1)
"""By which a file may be older than the base and not have been seen as that was begun."""
MOST_PENDING = 65_536
"""Rows noted before they are written."""
MOST_PARTS = 32
"""Parts of a new base that are open before some become one."""


@dataclass(frozen=True)
class Missing:
    """Rows that were known and have not been read again."""

    ids: frozenset[bytes]
    unsure: frozenset[bytes]
    """Held by stray files only, and perhaps where an earlier run had read already; or read by the
    last rescan, when so many others were missing."""


class Rescan:
    """Tells which rows of a full sync or rescan are news, and afterwards which are missing."""

    def __init__(
        self, shelf: Shelf, began: str, *, resumed: bool = False, everything: bool = False
    ) -> None:
        """Open what earlier runs noted.

        Args:
            shelf: The files.
            began: When the reading began, perhaps in an earlier run.
            resumed: An earlier run has read a part of it.
            everything: All rows are emitted, also those that have not changed.

        Raises:
            InventoryError: The files cannot be read.
        """
        self._shelf, self._named, self._began = shelf, shelf.named, began
        self.everything = everything
        """All rows are emitted, also those that have not changed."""
        if not resumed:
            self._named.give_up_parts()
        self.resumed = self._is_usable() and resumed and self._parts_are_alike()
        """The reading goes on; False where it does not, or cannot, and begins anew."""
        if not self.resumed and self._named.parts:
            self._named.give_up_parts()
        self._layers = self._open_layers()
        self._shared = self._shared_before()
        self._join = Join(list(self._layers.values()), self._shared)
        self._leaving: list[str] = []
        """Files of rows that were emitted and are in no part yet."""

    def _is_usable(self) -> bool:
        if (fault := self._fault()) is None:
            return True
        logger.warning(
            "%s: the inventory cannot be used, %s; all rows are emitted, and what was deleted "
            "since the last rescan is not told",
            self._shelf.kind.stream,
            fault,
        )
        self._shelf.close()
        self._named.forget()
        return False

    def _fault(self) -> str | None:
        for name in self._named.all():
            try:
                header = self._shelf.header(name)
            except UnusableError as error:
                return str(error)
            if header.range != self._shelf.kind.range:
                return f"{name} was made with another company_ids, start_date or api_url"
        return None

    def _parts_are_alike(self) -> bool:
        """Return whether no row that was read already has to be emitted in another shape."""
        shapes = {self._shelf.header(name).shape for name in self._named.parts}
        return shapes <= {self._shelf.kind.shape}

    def _open_layers(self) -> dict[str, Layer]:
        """Return the tables that rows are compared with, the oldest first."""
        # Of a blind reading nothing is known but what it has noted itself.
        stray = [] if self._named.blind else self._stray()
        return {
            name: Layer(self._shelf.table(name), stray=name in stray)
            for name in (*self._named.all(), *stray)
        }

    def _stray(self) -> list[str]:
        """Open the stray files and return their names."""
        found: list[str] = []
        for name in self._unaccounted():
            try:
                header = self._shelf.header(name)
            except UnusableError as error:
                # It might hold another digest of any row.
                logger.warning("%s: %s; all rows are emitted", self._shelf.kind.stream, error)
                self.everything = True
            else:
                found += [name] if header.width == self._shelf.kind.width else []
        return found

    def _unaccounted(self) -> list[str]:
        accounted = set(self._named.all())
        for name in self._named.all():
            accounted.update(self._shelf.header(name).replaces)
        base = self._named.base
        oldest = _oldest(self._shelf.header(base).began) if base else ""
        listed = self._shelf.listed
        return [name for name in listed if name not in accounted and stamped(name) >= oldest]

    # While rows are read.

    def news(self, ids: Sequence[bytes | None], digests: Sequence[bytes]) -> Sequence[int]:
        """Note rows, and return the places of those to emit.

        That they are emitted is on the disk then, so that they may leave.

        Args:
            ids: Their ids; None for what cannot be noted, and is always emitted.
            digests: The digests of their records.

        Raises:
            InventoryError: It cannot be written.
        """
        places: Sequence[int] = range(len(ids))
        if self.everything:
            self._join.note(ids, digests)
        else:
            places = self._join.news(ids, digests)
        if self._join.pending >= MOST_PENDING:
            self.flush()
        elif leaving := noted(map(ids.__getitem__, places), map(digests.__getitem__, places)):
            self._leaving.append(self._shelf.add([join(leaving)], began=self._began))
        return places

    def flush(self) -> None:
        """Write what was noted, before STATE passes it.

        Raises:
            InventoryError: It cannot be written.
        """
        if not self._join.pending:
            return
        name = self._shelf.add(
            [self._join.take()],
            began=self._began,
            replaces=self._leaving,
        )
        self._leaving = []
        self._named.parts.append(name)
        self._layers[name] = Layer(self._shelf.table(name))
        self._join.add(self._layers[name])
        own = [each for each in self._named.parts if each in self._shelf.written]
        if len(own) > MOST_PARTS:
            self._fold(own)

    def _fold(self, names: list[str]) -> None:
        """Make one of the newest parts, of none much larger than these: each is copied seldom."""
        shelf, count = self._shelf, 0
        for place in reversed(range(len(names))):
            size = shelf.table(names[place]).count
            if place < len(names) - 2 and size > 2 * count:
                names = names[place + 1 :]
                break
            count += size
        layers = [self._layers.pop(name) for name in names]
        replaces = shelf.replaced(names)
        name = shelf.add(merge(layers), began=self._began, replaces=replaces)
        self._layers[name] = Layer(shelf.table(name))
        self._join.replace(layers, self._layers[name])
        self._named.parts[-len(names) :] = [name]
        shelf.close(names)

    # At its end.

    @property
    def blind(self) -> bool:
        """What was deleted cannot be told."""
        return self._named.blind

    @property
    def withheld(self) -> bool:
        """The last rescan missed so much that it named nothing."""
        return self._named.withheld is not None

    @property
    def known(self) -> int:
        """How many rows were known before, at least."""
        return max((table.count for table in self._shelf.tables(self._named.before())), default=0)

    @property
    def known_since(self) -> str:
        """When the reading of what was known before began; "" where nothing was."""
        names = [self._named.base] if self._named.base else self._named.small
        return min((self._shelf.header(name).began for name in names), default="")

    def missing(self) -> Missing:
        """Return the rows that were known and have not been read."""
        shelf, named = self._shelf, self._named
        stray = [
            n
            for n, layer in self._layers.items()
            if layer.stray and shelf.header(n).range == shelf.kind.range
        ]
        gone: set[bytes] = set()
        unsure: set[bytes] = set()
        parts = named.parts if named.before() or stray else ()
        for difference in compare(*map(shelf.tables, (named.before(), stray, parts))):
            gone |= difference.gone
            (unsure if self.resumed else gone).update(difference.stray)
        if named.withheld and gone:
            seen_then = shelf.table(named.withheld).find(sorted(gone), min(gone), max(gone))
            unsure |= gone & seen_then.keys()
        return Missing(frozenset(gone - unsure), frozenset(unsure))

    def finish(self, kept: Iterable[bytes]) -> None:
        """Make the new base of all that was read.

        Args:
            kept: Rows that were not read and exist all the same.

        Raises:
            InventoryError: It cannot be written.
        """
        shelf, named, oldest = self._shelf, self._named, _oldest(self._began)
        replaces = sorted(n for n in {*shelf.listed, *shelf.written} if stamped(n) >= oldest)
        named.base = shelf.add(self._read_rows(kept), began=self._began, replaces=replaces)
        named.small, named.parts, named.withheld, named.blind = [], [], None, False
        shelf.close()

    def withhold(self) -> None:
        """Keep the base, since so much is missing, and what was read as a small generation.

        Raises:
            InventoryError: It cannot be written.
        """
        named = self._named
        replaces = self._shelf.replaced(named.parts)
        pieces = self._read_rows(())
        name = self._shelf.add(pieces, began=self._began, replaces=replaces)
        named.small, named.parts, named.withheld = [*named.small, name], [], name
        self._shelf.close()

    def _read_rows(self, kept: Iterable[bytes]) -> Iterator[bytes]:
        parts = [self._layers[n] for n in self._layers if n not in self._named.before()]
        first = Layer(EntryTable.of(dict.fromkeys(kept, UNKNOWN), self._shelf.kind.width))
        return merge([first, *parts], self._shared_now())

    # NPS answers, which may be listed under several contacts.

    @property
    def pairs(self) -> bool:
        """An entry is that of a contact and an answer."""
        return self._shelf.kind.width != ID

    def read_answers(self, ids: Iterable[bytes]) -> set[bytes]:
        """Return those of some answers that this reading has read, under whatever contact."""
        return set(ids).intersection(answers(self._shelf.tables(self._named.parts)))

    def _shared_before(self) -> frozenset[bytes]:
        """Return the answers of which a loader may hold one contact's or another's."""
        if not self.pairs:
            return frozenset()
        base = [layer.table for name, layer in self._layers.items() if name == self._named.base]
        newer = [layer.table for name, layer in self._layers.items() if name != self._named.base]
        return frozenset(shared([*base, *newer], chain(answers(newer), answers(base, UNKNOWN))))

    def _shared_now(self) -> frozenset[bytes]:
        """Return the answers that were read under more than one contact."""
        if not self.pairs:
            return frozenset()
        parts = self._shelf.tables(self._named.parts)
        before = self._shelf.tables(self._named.before())
        new = (row_id[ID:] for each in compare(before, (), parts) for row_id in each.new)
        return frozenset(shared(parts, chain(new, self._shared)))


def _oldest(began: str) -> str:
    return stamp(datetime.fromisoformat(began.replace("Z", "+00:00")) - MARGIN)
