"""One list of a resource; each of its pages is asked for at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_api.dates import instant
from planhat_api.errors import PlanhatError
from planhat_api.rows import row_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_api.resources import Resource
    from planhat_check.caller import Caller, TimedPage

SAMPLE = 200
"""Rows asked for from either end of a list."""
KEY = "updatedAt"
"""The replication key besides `_id`, for rows that carry it."""


class ListProbe:
    """Asks for pages of one list when they are first needed; a page that failed fails again."""

    def __init__(
        self, caller: Caller, resource: Resource, filters: Mapping[str, str | int]
    ) -> None:
        """Ask for nothing yet.

        Args:
            caller: Makes the calls.
            resource: What is listed.
            filters: The query's filters.
        """
        self.resource = resource
        self.filters = filters
        several = len(resource.lists) > 1
        self.is_first = filters == resource.lists[0]
        """Whether it is the first list of its resource."""
        words = ", ".join(f"{name}={value}" for name, value in filters.items())
        self.name = f"{resource.name} ({words})" if several else resource.name
        key = resource.properties.get(KEY)
        self.main = KEY if key is not None and key.documented else "_id"
        """What the tap reads it by, unless told otherwise."""
        self._caller = caller
        self._pages: dict[tuple[Any, ...], TimedPage | PlanhatError] = {}

    def newest(self) -> TimedPage:
        """Return the rows that were made last, with all that the server gives."""
        return self._ask("-_id", SAMPLE)

    def oldest(self) -> TimedPage:
        """Return the rows that were made first, with all that the server gives."""
        return self._ask("_id", SAMPLE)

    def newest_by_name(self) -> TimedPage:
        """Return the rows that were made last, with all properties that are known here."""
        names = set().union(*(row_names(self.resource, name) for name in self.resource.properties))
        return self._ask("-_id", SAMPLE, select=",".join(sorted(names)))

    def widest(self) -> TimedPage:
        """Return as many rows as there may be in a page, with id and key only."""
        return self._ask(self.main, self.resource.max_limit, select=self.selected(self.main))

    def behind(self, offset: int) -> bool:
        """Return whether there is a row at an offset."""
        return bool(self._ask("_id", 1, offset=offset, select="_id").rows)

    def by_key(self, sign: str) -> TimedPage:
        """Return rows in the order of the key, `sign` being empty or `-`."""
        if not sign and self.main == KEY:
            return self.widest()
        return self._ask(f"{sign}{KEY}", SAMPLE, select=self.selected(KEY))

    def carries_key(self) -> bool:
        """Return whether any of the newest rows has the key."""
        return any(row.get(KEY) for row in self.newest().rows)

    def selected(self, by: str) -> str:
        """Return the names that are selected where only id and order matter."""
        return ",".join(sorted({"_id", by} | row_names(self.resource, "_id")))

    def _ask(self, sort: str, limit: int, *, offset: int = 0, select: str = "") -> TimedPage:
        params: dict[str, str | int] = {"limit": limit, "offset": offset, "sort": sort}
        if select:
            params["select"] = select
        asked = tuple(params.items())
        if asked not in self._pages:
            try:
                self._pages[asked] = self._caller.page(self.resource, {**self.filters, **params})
            except PlanhatError as error:
                self._pages[asked] = error
        found = self._pages[asked]
        if isinstance(found, PlanhatError):
            raise found
        return found


def order_of(by: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what rows sort by, comparable as text; "" for a row without it."""
    if by == "_id":
        return lambda row: str(row.get("_id") or "")
    return lambda row: instant(row.get(by))
