"""What is to be done in Planhat for one record: an item to upsert, or a record to delete.

Made in `record/` and carried out in `upsert/` and `batch/`, which share these classes alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

PER_COMPANY = "externalId"
"""The key property that is unique only within one company."""

Label: TypeAlias = tuple[str, tuple[str, ...]]
"""A stream, "" if its records may meet those of others, and the names of its key properties."""
Origin: TypeAlias = tuple[Label, Any]
"""What tells a record of the source from all others: the values of its key properties as well."""


class Item(NamedTuple):
    """One item of a bulk upsert."""

    body: dict[str, Any]
    """What is sent: writable properties with JSON values, in the property table's order."""
    keys: dict[str, str]
    """The keys in `body`, in the order in which Planhat tries them; empty: always created.

    An item with `_id` alone updates that record; if there is none, it is created with another."""
    company: str | None = None
    """The company in `body`; an externalId is unique only together with it."""
    generated: bool = False
    """The key was made from the record's key properties."""
    origin: Origin | None = None
    """The record it was made from; None: not known."""
    has_references: bool = False
    """It names people or its company by address, name or domain; ids are put in before sending."""

    @property
    def identities(self) -> tuple[tuple[str, ...], ...]:
        """Its keys as tuples: two items that share one are the same Planhat record."""
        return identities(self.keys, self.company)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record to be deleted."""

    keys: Mapping[str, str]
    company: str | None
    """The company that the record must belong to; None: any, or not known."""
    origin: Origin | None = field(default=None, compare=False)
    """The record that is gone; None: not known."""

    @property
    def identities(self) -> tuple[tuple[str, ...], ...]:
        """Its keys as tuples, as those of an item: one in common means the same Planhat record."""
        return identities(self.keys, self.company)


def identities(keys: Mapping[str, str], company: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the keys that name one record: an externalId with its company, never without."""
    return tuple(
        (name, value, company) if name == PER_COMPANY and company else (name, value)
        for name, value in keys.items()
        if name != PER_COMPANY or company
    )
