"""Translates names of list rows to the property table's: in the list of NPS they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planhat_api.resources import Resource


def row_names(resource: Resource, name: str) -> set[str]:
    """Return the names that a property of the property table may have in list rows."""
    return {name} | {seen for seen, mapped in resource.list_names.items() if mapped == name}


class RowNames:
    """Renames the properties of list rows to the property table's names."""

    def __init__(self, resource: Resource) -> None:
        """Start with no row seen."""
        self._names = resource.list_names
        self._list_only = self._names.keys() - resource.properties.keys()
        self._listed = False
        """Whether any row had the list's names; then all are read as having them."""

    def learn(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Find out from rows of one page which names they have: not every row shows it."""
        if self._list_only and not self._listed:
            self._listed = not all(map(self._list_only.isdisjoint, rows))

    def renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with the property table's names; of two values, null loses."""
        if not self._listed and self._list_only.isdisjoint(row):
            return row
        self._listed = True
        renamed = {name: value for name, value in row.items() if name not in self._names}
        for seen, name in self._names.items():
            if name is not None and seen in row and (row[seen] is not None or name not in renamed):
                renamed[name] = row[seen]
        return renamed
