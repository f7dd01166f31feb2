"""What an upsert would do to the records that Planhat has: create, update, nothing, or a conflict.

Pure. If in doubt, values count as different: a needless update costs a call, a missed one loses
an edit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from planhat_api.dates import instant
from planhat_api.resources import Kind
from target_planhat.item import PER_COMPANY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from planhat_api.resources import Resource

    Row = Mapping[str, Any]
    Changes = dict[str, tuple[Any, Any]]

_CUSTOM = "custom"
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_FINER = re.compile(r"[.,][0-9]{3}[0-9]*[1-9]")
"""A fraction that milliseconds cannot hold."""


class Comparable(Protocol):
    """An item of a bulk upsert."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What is sent."""

    @property
    def keys(self) -> Mapping[str, str]:
        """The keyables in it, in the order in which Planhat tries them."""


@dataclass(frozen=True)
class KnownRow:
    """A record that Planhat has."""

    number: int
    """Its number in the temporary file."""
    row: Row
    """Its properties, by the names of the property table."""
    certain: bool = True
    """False: it was written since it was read, with unknown outcome."""


@dataclass(frozen=True)
class Knowledge:
    """Facts about all records of a resource."""

    resource: Resource
    carried: Collection[str]
    """Properties that any row carries, a custom field as `custom.Name`."""
    company_id: Callable[[str], str | None] = lambda _: None
    """Returns the `_id` behind a company's reference (`extid-…`), None where it is not known."""
    is_empty: bool = False
    """There are no records at all."""


class ComparedAs(Enum):
    """What an upsert would do."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    """Its keys name more than one record."""


@dataclass(frozen=True)
class Comparison:
    """What an upsert of one item would do."""

    finding: ComparedAs
    found: KnownRow | None = None
    """The record it would change."""
    changes: Changes = field(default_factory=dict)
    """Property -> what it holds, and what is sent; a custom field is `custom.Name`."""
    reason: str = ""
    """Why there is a conflict."""
    doubt: str = ""
    """Why it is not certain whether Planhat has the record; empty: it is."""
    key_unknown: bool = False
    """Whether the doubt is about a key that no row carries."""


def compare(
    item: Comparable, rows: Mapping[str, Sequence[KnownRow]], known: Knowledge
) -> Comparison:
    """Compare an item with the records that have one of its keys.

    Args:
        item: What would be sent.
        rows: Keyable -> the records that have the item's value of it; an externalId in any
            company.
        known: What else is known.
    """
    match = _Match(item, rows, known)
    if match.conflict:
        return Comparison(ComparedAs.CONFLICT, match.found, reason=match.conflict)
    found = match.found
    if found is None:
        changes = {name: (None, value) for name, value in _sent(item.body)}
        return Comparison(
            ComparedAs.CREATE, None, changes, doubt=match.doubt, key_unknown=match.key_unknown
        )
    changes = dict(_changes(item.body, found, known))
    finding = ComparedAs.UPDATE if changes or match.doubt else ComparedAs.UNCHANGED
    return Comparison(finding, found, changes, doubt=match.doubt)


class _Match:
    """Finds the one record that an item is."""

    def __init__(
        self, item: Comparable, rows: Mapping[str, Sequence[KnownRow]], known: Knowledge
    ) -> None:
        self.found: KnownRow | None = None
        self.conflict = self.doubt = ""
        self.key_unknown = False
        self._known = known
        self._item = item
        # Last what counts within a company: that of a record found otherwise does if none is sent.
        for name in sorted(item.keys, key=PER_COMPANY.__eq__):
            self._add(name, self._candidates(name, rows.get(name, ())))
        noun, carried = known.resource.singular, known.carried
        lacking = [name for name in item.keys if name not in carried and not known.is_empty]
        if lacking and self.found is None:
            self.key_unknown = True
            self.doubt = f"no {noun} that Planhat lists carries {' or '.join(lacking)}"

    def _add(self, name: str, candidates: Sequence[KnownRow]) -> None:
        by_another = [] if self.found is None else [self.found]
        named = {row.number: row for row in (*by_another, *candidates)}
        if len(named) > 1 and not self.conflict:
            self.conflict = self._several(name, list(named.values()), by_another=bool(by_another))
        elif candidates and not by_another:
            self.found = candidates[0]

    def _candidates(self, name: str, rows: Sequence[KnownRow]) -> Sequence[KnownRow]:
        """Return the records that a key names: an externalId only within its company."""
        if name != PER_COMPANY or not rows:
            return rows
        label = self._known.resource.company_property
        sent = self._item.body.get(label)
        if sent is None and self.found is not None:
            sent = self.found.row.get(label)
        if not isinstance(sent, str):
            return rows
        company = _company(sent, self._known)
        if company is not None:
            return [one for one in rows if _same_id(one.row.get(label), company)]
        if self.found is not None:
            return ()
        self.doubt = f"it is not known which company {sent} is"
        return rows if len(rows) == 1 else ()

    def _several(self, name: str, rows: Sequence[KnownRow], *, by_another: bool) -> str:
        ids = " and ".join(str(one.row.get("_id")) for one in rows)
        key = "Its keys name" if by_another else f"`{name}` '{self._item.keys[name]}' names"
        return f"{key} more than one {self._known.resource.singular} in Planhat: {ids}."


def _sent(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is sent, custom fields one by one."""
    for name, value in body.items():
        if name == _CUSTOM and value and isinstance(value, dict):
            yield from ((f"{_CUSTOM}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _changes(
    body: Mapping[str, Any], found: KnownRow, known: Knowledge
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, new in _sent(body):
        if name == "_id":
            # It has found the record, or is not taken over.
            continue
        old = _held(found.row, name)
        same = found.certain and name in known.carried and _same(name, old, new, known)
        if not same:
            yield name, (old, new)


def _held(row: Row, name: str) -> Any:
    owner, dot, key = name.partition(".")
    value = row.get(owner)
    return value.get(key) if dot and isinstance(value, dict) else value


def _same(name: str, old: Any, new: Any, known: Knowledge) -> bool:
    """Return whether a property's value is what Planhat would make of another."""
    if same_json(old, new):
        return True
    if name == known.resource.company_property and isinstance(new, str):
        company = _company(new, known)
        return company is not None and _same_id(old, company)
    item = known.resource.properties.get(name)
    if item is None:
        return False
    if item.kind is Kind.OBJECT_ID:
        return _same_id(old, new)
    return item.kind is Kind.DATE and _same_instant(old, new)


def _company(reference: str, known: Knowledge) -> str | None:
    return reference if _OBJECT_ID.fullmatch(reference) else known.company_id(reference)


def _same_id(old: Any, new: Any) -> bool:
    ids = [one for one in (old, new) if isinstance(one, str) and _OBJECT_ID.fullmatch(one)]
    return len(ids) == 2 and ids[0].lower() == ids[1].lower()  # noqa: PLR2004 - both of them


def _same_instant(old: Any, new: Any) -> bool:
    if not isinstance(old, str) or not isinstance(new, str):
        return False
    moment = instant(old)
    return (
        moment != "" and moment == instant(new) and not (_FINER.search(old) or _FINER.search(new))
    )


def same_json(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: numbers by value, true not 1, lists in order."""
    if one != other:
        return False
    if isinstance(one, str) or one is None:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list):
        return all(map(same_json, one, other))
    if isinstance(one, dict):
        return all(same_json(value, other[name]) for name, value in one.items())
    return True
