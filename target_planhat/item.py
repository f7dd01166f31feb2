"""What is to be done in Planhat for one record: an item to upsert, or a record to delete.

Made in `record/` and carried out in `upsert/` and `batch/`, which share these classes alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

PER_COMPANY = "externalId"
"""The key property that is unique only within one company."""

Label: TypeAlias = tuple[str, tuple[str, ...]]
"""A stream, "" if its records may meet those of others, and the names of its key properties."""
Origin: TypeAlias = tuple[Label, Any]
"""What tells a record of the source from all others: the values of its key properties as well."""


class Item:
    """One item of a bulk upsert.

    While thousands of them wait, their bodies are kept as JSON: as objects they are scattered over
    the memory, and to find them again for encoding, and to free them one by one, takes longer than
    everything else. Few are ever decoded again, those of a request that failed.
    """

    __slots__ = ("_body", "_encoded", "company", "generated", "has_references", "keys", "origin")

    def __init__(
        self,
        body: dict[str, Any],
        keys: dict[str, str],
        company: str | None = None,
        *,
        generated: bool = False,
        origin: Origin | None = None,
    ) -> None:
        """Make an item.

        Args:
            body: What is sent: writable properties with JSON values, in the property table's order.
            keys: The keys in `body`, in the order in which Planhat tries them; empty: always
                created. With `_id` alone, Planhat updates that record, or creates one with
                another `_id` where it does not exist.
            company: The company in `body`; an externalId is unique only together with it.
            generated: The key was made from the record's key properties.
            origin: The record it was made from; None: not known.
        """
        self._body: dict[str, Any] | None = body
        self._encoded: bytes | None = None
        self.keys = keys
        self.company = company
        self.generated = generated
        self.origin = origin
        self.has_references = False
        """It names people or its company by address, name or domain; ids are put in before
        sending."""

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        if self._body is None:
            self._body = orjson.loads(self._encoded or b"{}")
        return self._body

    @property
    def encoded(self) -> bytes:
        """The body as JSON, made once however often it is sent.

        Raises:
            TypeError: The body holds what JSON cannot.
        """
        if self._encoded is None:
            self.encode()
        return self._encoded or b""

    def encode(self) -> None:
        """Make JSON of the body.

        Raises:
            TypeError: The body holds what JSON cannot.
        """
        # A copy, as orjson leaves several kilobytes unused behind each result.
        self._encoded = orjson.dumps([self._body])[1:-1]

    def pack(self) -> None:
        """Keep the body as JSON alone, until it is asked for; as it is if JSON cannot hold it."""
        if self._encoded is None:
            try:
                self.encode()
            except TypeError:
                return
        self._body = None

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
