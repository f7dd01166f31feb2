"""Stores the rows of a resource as encoded JSON, with indices that are made when first needed."""

from __future__ import annotations

import gc
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from planhat_sandbox.tenant.blocks import SortedBlocks

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from planhat_api.resources import Resource
    from planhat_sandbox.tenant.blocks import Entry

Doc = dict[str, Any]
VIEWS = 12
"""Orders kept up to date per resource; the one longest unused is dropped."""
_TEXT = 2
"""Rank of text among the types; the others stand in `sort_key`."""
_AFTER_IDS = "~"
"""Greater than any `_id`."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause garbage collection while many objects are made that all stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def sort_key(doc: Mapping[str, Any], path: tuple[str, ...]) -> tuple[int, Any]:
    """Return what a row is sorted by: as MongoDB, nothing < numbers < text < … < booleans."""
    value: Any = doc
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (5, value)
    if isinstance(value, (int, float)):
        return (1, value)
    if isinstance(value, str):
        return (_TEXT, value)
    return (4 if isinstance(value, list) else 3, orjson.dumps(value))


class View:
    """The rows that match a filter, in the order of one property."""

    def __init__(self, matches: Callable[[Doc], bool], path: tuple[str, ...]) -> None:
        """Make an empty view; the table fills it.

        Args:
            matches: Whether a row belongs to it.
            path: Property it is sorted by, from the root; empty: in no order.
        """
        self.matches = matches
        self._path = path
        self.entries = SortedBlocks()

    def entry(self, doc: Doc) -> Entry:
        """Return a row's entry; the `_id` last, to tell equal ones apart."""
        return (*sort_key(doc, self._path), doc["_id"]) if self._path else (0, 0, doc["_id"])

    def ids(
        self, offset: int, limit: int, *, descending: bool, rng: random.Random | None
    ) -> list[str]:
        """Return the ids of one page.

        Args:
            offset: Rows to pass over.
            limit: Most rows to return.
            descending: Greatest first.
            rng: Reorders equal rows, as one random order of all rows would; None: by `_id`.
        """
        size = len(self.entries)
        start, stop = min(offset, size), min(offset + limit, size)
        if descending:
            start, stop = size - stop, size - start
        page = self.entries.slice(start, stop)
        if rng is not None and page:
            self._reorder(page, rng)
        found: list[str] = [entry[-1] for entry in page]
        return found[::-1] if descending else found

    def equal(self, text: str) -> list[str]:
        """Return the ids of the rows whose property is this text, in ascending order."""
        low = self.entries.position((_TEXT, text))
        high = self.entries.position((_TEXT, text, _AFTER_IDS))
        return [entry[-1] for entry in self.entries.slice(low, high)]

    def _reorder(self, page: list[Entry], rng: random.Random) -> None:
        """Shuffle each group of equal rows; rows of a group cut by an edge may change places."""
        first = 0
        while first < len(page):
            group = page[first][:-1]
            last = first + 1
            while last < len(page) and page[last][:-1] == group:
                last += 1
            if first == 0 or last == len(page):
                low = self.entries.position(group)
                high = self.entries.position((*group, _AFTER_IDS))
                chosen = rng.sample(range(low, high), last - first)
                if high - low > 1:
                    page[first:last] = [self.entries.at(place) for place in chosen]
            elif last - first > 1:
                page[first:last] = rng.sample(page[first:last], last - first)
            first = last


class Table:
    """One resource's rows, in the property table's shape."""

    def __init__(self, resource: Resource) -> None:
        """Start empty."""
        self.resource = resource
        self.rows: dict[str, bytes] = {}
        self._views: OrderedDict[Hashable, View] = OrderedDict()
        self._sources: dict[str, str] | None = None
        self._externals: dict[str, dict[Any, str]] | None = None
        self._names: set[str] | None = set()

    def get(self, record_id: str) -> Doc | None:
        """Return the row with this id."""
        data = self.rows.get(record_id)
        return None if data is None else orjson.loads(data)

    def put(self, doc: Doc) -> None:
        """Insert a row, or replace the one with its id."""
        record_id = doc["_id"]
        old = self.get(record_id)
        if old is not None:
            self._unindex(old)
        self.rows[record_id] = orjson.dumps(doc)
        if self._names is not None:
            self._names.update(doc)
        self._index(doc)

    def put_encoded(self, rows: Mapping[str, bytes]) -> None:
        """Insert many rows at once, encoded; indices are made anew when next needed."""
        self.rows.update(rows)
        self._views.clear()
        self._sources = self._externals = self._names = None

    def remove(self, record_id: str) -> Doc | None:
        """Take a row out and return it."""
        old = self.get(record_id)
        if old is not None:
            self._unindex(old)
            del self.rows[record_id]
        return old

    def has_only(self, names: set[str] | frozenset[str]) -> bool:
        """Return whether no row has other properties than these; one that was removed may count."""
        if self._names is None:
            self._names = set()
            for data in self.rows.values():
                self._names.update(orjson.loads(data))
        return self._names <= names

    def by_source(self, source_id: str) -> str | None:
        """Return the `_id` of the record with this sourceId."""
        return self._keys()[0].get(source_id)

    def by_external(self, external_id: str) -> Mapping[Any, str]:
        """Return company -> `_id` of the records with this externalId."""
        return self._keys()[1].get(external_id, {})

    def view(
        self, name: Hashable, matches: Callable[[Doc], bool] | None, path: tuple[str, ...]
    ) -> View:
        """Return the rows that match, in the order of a property.

        Args:
            name: Tells filter and order from others, for keeping the view.
            matches: The filter; None: all rows.
            path: Property to sort by, from the root; empty: no order.
        """
        key = (name, path)
        view = self._views.get(key)
        if view is None:
            view = View(matches or (lambda _: True), path)
            if matches is None and not path:
                view.entries = SortedBlocks((0, 0, record_id) for record_id in self.rows)
            else:
                docs = map(orjson.loads, self.rows.values())
                with without_collection():
                    found = [view.entry(doc) for doc in docs if view.matches(doc)]
                    view.entries = SortedBlocks(found)
            self._views[key] = view
            if len(self._views) > VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return view

    def sample(self, rng: random.Random, count: int) -> list[Doc]:
        """Return some rows at random."""
        if not count:
            return []
        entries = self.view("all", None, ()).entries
        places = rng.sample(range(len(entries)), min(count, len(entries)))
        return [orjson.loads(self.rows[entries.at(place)[-1]]) for place in places]

    def _index(self, doc: Doc) -> None:
        for view in self._views.values():
            if view.matches(doc):
                view.entries.add(view.entry(doc))
        if self._sources is not None and self._externals is not None:
            self._index_keys(doc, self._sources, self._externals)

    def _unindex(self, doc: Doc) -> None:
        for view in self._views.values():
            if view.matches(doc):
                view.entries.remove(view.entry(doc))
        if self._sources is None or self._externals is None:
            return
        if self._sources.get(doc.get("sourceId") or "") == doc["_id"]:
            del self._sources[doc["sourceId"]]
        companies = self._externals.get(doc.get("externalId") or "", {})
        if companies.get(doc.get(self.resource.company_property)) == doc["_id"]:
            del companies[doc.get(self.resource.company_property)]

    def _index_keys(
        self, doc: Doc, sources: dict[str, str], externals: dict[str, dict[Any, str]]
    ) -> None:
        # "" is a value like any other, but never a key.
        if source := doc.get("sourceId"):
            sources[source] = doc["_id"]
        if external := doc.get("externalId"):
            company = doc.get(self.resource.company_property)
            externals.setdefault(external, {})[company] = doc["_id"]

    def _keys(self) -> tuple[dict[str, str], dict[str, dict[Any, str]]]:
        if self._sources is None or self._externals is None:
            sources: dict[str, str] = {}
            externals: dict[str, dict[Any, str]] = {}
            with without_collection():
                for data in self.rows.values():
                    self._index_keys(orjson.loads(data), sources, externals)
            self._sources, self._externals = sources, externals
        return self._sources, self._externals
