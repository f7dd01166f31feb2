"""How lists are narrowed down to `company_ids`."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from planhat_api.rows import row_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planhat_api.paging import Row
    from planhat_api.resources import Resource

MOST_COMPANIES = 200
"""Companies in one filter: their ids make up the URL, which servers limit to some 8,000 bytes."""


class Companies:
    """Narrows a list down by its filter, or row by row here.

    Several lists, each filtered by some of the companies, would miss a row that moves from one
    that is yet to be read to one that has been.
    """

    def __init__(self, resource: Resource, ids: Iterable[str]) -> None:
        """Choose between filter and rows; without ids nothing is narrowed down."""
        companies = sorted(set(ids))
        self._companies = frozenset(companies)
        self._names = row_names(resource, resource.company_property)
        self.filter: dict[str, str] = {}
        """What to add to a list's query."""
        self.context: dict[str, str] = {}
        """Part of STATE's partition: with a company more, the list is read from its beginning."""
        if companies:
            joined = ",".join(companies)
            if len(companies) <= (MOST_COMPANIES if resource.many_companies else 1):
                self.filter = {"companyId": joined}
            elif len(companies) > MOST_COMPANIES:
                joined = f"{len(companies)} companies, {sha256(joined.encode()).hexdigest()}"
            self.context = {"companyId": joined}

    def __bool__(self) -> bool:
        """Return whether only some companies are wanted."""
        return bool(self._companies)

    @property
    def names(self) -> set[str]:
        """The names, in list rows, of the property that tells a row's company."""
        return self._names if self._companies else set()

    def wanted(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows of these companies, where the list has others too."""
        if not self._companies or self.filter:
            return rows
        return list(filter(self.includes, rows))

    def includes(self, row: Row) -> bool:
        """Return whether a row belongs to one of these companies."""
        return not self._companies or any(row.get(name) in self._companies for name in self._names)
