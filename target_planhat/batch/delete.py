"""Deletes a record that is gone at the source.

One record a call; the order among deletions and upserts is kept in `processor.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planhat_api import errors
from target_planhat.item import PER_COMPANY
from target_planhat.outcome import DELETED, Outcome, rejected
from target_planhat.record.values import REFERENCE_PREFIXES

if TYPE_CHECKING:
    from target_planhat.item import Deletion
    from target_planhat.upsert.api import ResourceApi

_FORBIDDEN, _BAD_REQUEST = 403, 400


def delete(api: ResourceApi, deletion: Deletion) -> Outcome:
    """Delete a record; one that is gone already counts as deleted.

    Only an `_id` deletes; it is looked up by another key first where needed.

    Raises:
        PlanhatError: The API is down, or refuses the token.
    """
    try:
        record_id = deletion.keys.get("_id") or _look_up(api, deletion)
        if isinstance(record_id, Outcome):
            return record_id
        api.delete(record_id)
    except errors.PermissionDeniedError as error:
        return rejected(f"Planhat does not let it be deleted: {error.what}.", _FORBIDDEN)
    except errors.PayloadError as error:
        return rejected(f"Planhat refuses to delete it: {error.what}.", _BAD_REQUEST)
    return DELETED


def _look_up(api: ResourceApi, deletion: Deletion) -> str | Outcome:
    """Return the `_id` of the record with a key, or what there is to say instead."""
    resource = api.resource
    prefixes = {keyable: prefix for prefix, keyable in resource.path_prefixes.items()}
    names = [name for name in resource.keyables if name in deletion.keys and name in prefixes]
    # Records tell their company's `_id` alone.
    comparable = not (deletion.company or "").startswith(REFERENCE_PREFIXES)
    if not comparable:
        names.sort(key=lambda name: name == PER_COMPANY)
    if not names:
        return rejected("It carries no key by which the record to delete could be found.")
    name, value = names[0], deletion.keys[names[0]]
    if name == PER_COMPANY and not comparable:
        return rejected(
            f"externalId '{value}' is unique only within a company, and {deletion.company} cannot "
            f"be compared with what Planhat answers: send the company's _id, or the "
            f"{resource.singular}'s _id or sourceId."
        )
    row = api.get(prefixes[name] + value)
    if row is None:
        return DELETED
    # A single read may answer in the list's shape, in which `_id` is another's.
    record_id = row.get(resource.id_in_lists)
    company = row.get(resource.company_property)
    if row.get(name, value) != value or not isinstance(record_id, str):
        return rejected(f"Planhat answers {name} '{value}' with another record; nothing deleted.")
    if name == PER_COMPANY and deletion.company not in {None, company}:
        return rejected(f"externalId '{value}' belongs to a record of another company.")
    return record_id
