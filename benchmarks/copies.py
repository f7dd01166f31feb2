"""Whether one tenant holds each record of another once, with its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.measure import FailedError, control
from planhat_api.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource

Row = dict[str, Any]
EDITED = "Touched"
"""The custom field that the sandbox writes when it edits a record."""
SHOWS_EDITS = frozenset({"tasks"})
"""Resources of which an incremental run reads what was edited."""
_NOT_STORED = {"conversations": frozenset({"ownerId", "useSubject"})}
"""What may be written but is never seen again."""


@dataclass(frozen=True)
class Tally:
    """What came of comparing the records of one resource."""

    resource: str
    alike: int
    """Records that both tenants have, with the same values."""
    gone: int
    """Records that were deleted in the first tenant after they had been copied."""


def key(row: Mapping[str, Any], resource: Resource) -> str:
    """Return the key by which the second tenant has a record."""
    own = (row[name] for name in resource.keyables if name != "_id" and row.get(name))
    return str(next(own, f"{resource.name}:{row['_id']}"))


def keys(url: str) -> dict[str, set[str]]:
    """Return the keys of all records of a tenant, by resource."""
    return {
        name: {key(row, resource) for row in control(url, f"dump/{name}")}
        for name, resource in RESOURCES.items()
    }


def expected(row: Row, resource: Resource) -> Row:
    """Return what of a record is to be in the second tenant.

    Not a flag or field that may have been changed behind the reader's back.
    """
    left_out = {"_id", *resource.keyables, *_NOT_STORED.get(resource.name, ())}
    values = {
        name: row[name]
        for name, item in resource.properties.items()
        if item.writable and name not in left_out and row.get(name) is not None
    }
    if "custom" in values:
        blind = resource.name not in SHOWS_EDITS
        values["custom"] = {
            name: value
            for name, value in values["custom"].items()
            if value is not None and not (blind and name == EDITED)
        }
        if not values["custom"]:
            del values["custom"]
    if values.get("type") in resource.reserved_types:
        # As the target's stream map has it.
        values["type"] = "note"
    return values


def compare(old: list[Row], new: list[Row], resource: Resource, before: set[str]) -> Tally:
    """Compare the records of a resource in two tenants.

    Args:
        old: Those of the first tenant, when all is over.
        new: Those of the second.
        resource: Whose they are.
        before: Keys of those that the first had in the beginning.

    Raises:
        FailedError: A record is missing, is there twice, differs, or comes from nowhere.
    """
    copies = {key(row, resource): row for row in new}
    if len(copies) < len(new):
        raise FailedError(f"{resource.name}: {len(new) - len(copies)} records are there twice")
    for row in old:
        name = key(row, resource)
        copy = copies.pop(name, None)
        if copy is None:
            raise FailedError(f"{resource.name}: {name} is lost")
        for item, value in expected(row, resource).items():
            held = copy.get(item)
            if item == "custom" and resource.name not in SHOWS_EDITS:
                held = {each: (held or {}).get(each) for each in value}
            if held != value:
                raise FailedError(f"{resource.name}: {name}: {item} is {held}, not {value}")
    # Only what was added meanwhile, without a key of its own, may have come and gone unseen.
    if strange := [name for name in copies.keys() - before if not _made_up(name, resource)]:
        raise FailedError(f"{resource.name}: nobody had {strange[0]}")
    return Tally(resource.name, len(old), len(copies))


def _made_up(name: str, resource: Resource) -> bool:
    return name.startswith(f"{resource.name}:")
