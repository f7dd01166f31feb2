"""Deletes a record that is gone at the source.

One record a call; the order among deletions and upserts is kept in `processor.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_api import errors
from planhat_api.redact import shown
from target_planhat.item import PER_COMPANY
from target_planhat.outcome import DELETED, rejected
from target_planhat.record.values import REFERENCE_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planhat_api.resources import Resource
    from target_planhat.item import Deletion
    from target_planhat.outcome import Outcome
    from target_planhat.upsert.api import ResourceApi

_FORBIDDEN, _BAD_REQUEST = 403, 400


def delete(api: ResourceApi, deletion: Deletion, *, dry_run: bool = False) -> Outcome:
    """Delete a record; one that is gone already counts as deleted.

    Only an `_id` deletes. Where that is missing, or names no record, the record is looked up by
    each other key: it is gone only if none finds it. A dry run looks up and no more; an `_id` by
    itself counts as deleted there.

    Raises:
        PlanhatError: The API is down, or does not accept the token.
    """
    try:
        return _deleted(api, deletion, dry_run=dry_run)
    except errors.PermissionDeniedError as error:
        return rejected(f"Planhat does not let it be deleted: {error.what}.", _FORBIDDEN)
    except errors.PayloadError as error:
        return rejected(f"Planhat refuses to delete it: {error.what}.", _BAD_REQUEST)


def _deleted(api: ResourceApi, deletion: Deletion, *, dry_run: bool) -> Outcome:
    if not deletion.keys:
        return rejected("It carries no key by which the record to delete could be found.")
    record_id = deletion.keys.get("_id")
    if record_id is not None and (dry_run or api.delete(record_id)):
        return DELETED
    faults = []
    for name, value in _other_keys(api.resource, deletion):
        fault = _cannot_be_read(api.resource, deletion, name)
        if fault:
            faults.append(fault)
            continue
        row = api.find(name, value)
        if row is None:
            continue
        fault = _not_the_one(api.resource, deletion, name, row)
        if fault:
            return rejected(fault)
        if not dry_run:
            api.delete(_own_id(api.resource, row))
        return DELETED
    if not faults and (doubt := _doubt(api)):
        faults.append(f"Planhat answers that there is no such record, but {doubt}.")
    return rejected(f"It is not known to be gone. {' '.join(faults)}") if faults else DELETED


def _doubt(api: ResourceApi) -> str:
    try:
        return api.why_missing_means_nothing()
    except errors.PermissionDeniedError:
        return ""


def _other_keys(resource: Resource, deletion: Deletion) -> Iterator[tuple[str, str]]:
    """Yield the keys that can be read but `_id`, those that are unique in the tenant first."""
    names = [name for name in resource.keyables if name != "_id" and name in deletion.keys]
    names.sort(key=lambda name: name == PER_COMPANY and not _comparable(deletion))
    yield from ((name, deletion.keys[name]) for name in names)


def _comparable(deletion: Deletion) -> bool:
    """Return whether the company can be compared with that of a row, which is its `_id` alone."""
    return not (deletion.company or "").startswith(REFERENCE_PREFIXES)


def _cannot_be_read(resource: Resource, deletion: Deletion, name: str) -> str:
    """Return why no record can be found by a key; "": it can."""
    value = shown(deletion.keys[name])
    if name not in resource.path_prefixes.values():
        return (
            f"No {resource.singular} can be read by its {name} {value}: send its _id or "
            f"{' or '.join(resource.path_prefixes.values())}."
        )
    if name == PER_COMPANY and not _comparable(deletion):
        unique = [key for key in ("_id", *resource.path_prefixes.values()) if key != PER_COMPANY]
        return (
            f"externalId {value} is unique only within a company, and {deletion.company} cannot "
            f"be compared with what Planhat answers: send the company's _id, or the "
            f"{resource.singular}'s {' or '.join(unique)}."
        )
    return ""


def _not_the_one(resource: Resource, deletion: Deletion, name: str, row: dict[str, Any]) -> str:
    """Return why a row is not the record that was asked for; "": it is."""
    value = deletion.keys[name]
    found = {key: str(row[key]) for key in resource.keyables if row.get(key) not in {None, ""}}
    others = {key: text for key, text in deletion.keys.items() if key != "_id" and key in found}
    if name not in others or others.items() - found.items() or not _own_id(resource, row):
        return f"Planhat answers {name} {shown(value)} with another record; nothing deleted."
    if name == PER_COMPANY and deletion.company not in {
        None,
        row.get(resource.company_property),
    }:
        return f"externalId {shown(value)} belongs to a record of another company."
    return ""


def _own_id(resource: Resource, row: dict[str, Any]) -> str:
    """Return the `_id` of a row that was read by a key; "": it does not tell.

    A single read may answer in the list's shape, in which `_id` is another's.
    """
    in_table_shape = resource.list_names.get("_id") in row
    record_id = row.get("_id" if in_table_shape else resource.id_in_lists)
    return record_id if isinstance(record_id, str) else ""
