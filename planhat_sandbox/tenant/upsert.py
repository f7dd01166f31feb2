"""Bulk upsert: creates, updates or rejects each item, and answers in one of many shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planhat_api.resources import MAX_BULK_ITEMS
from planhat_sandbox.tenant import records
from planhat_sandbox.tenant.records import RecordError
from planhat_sandbox.tenant.rules import TICKET

if TYPE_CHECKING:
    from collections.abc import Collection

    from planhat_api.resources import Resource
    from planhat_sandbox.tenant.store import Doc
    from planhat_sandbox.tenant.tenant import Tenant

ALL_WELL, SOME_FAILED, BAD_REQUEST, FORBIDDEN = 200, 206, 400, 403
_LISTS = ("insertsKeys", "updatesKeys", "modified", "upsertedIds")
_COUNTED = {"created": "insertsKeys", "updated": "updatesKeys"}
"""Count -> the list that is as long."""


@dataclass
class UpsertTally:
    """The outcomes of the items of one request."""

    inserts: list[Doc] = field(default_factory=list)
    updates: list[Doc] = field(default_factory=list)
    nonupdates: int = 0
    created_errors: list[Any] = field(default_factory=list)
    updated_errors: list[Any] = field(default_factory=list)
    permission_errors: list[Any] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What was done, in words."""
        failed = [*self.created_errors, *self.updated_errors, *self.permission_errors]
        counts = {
            "created": len(self.inserts),
            "updated": len(self.updates),
            "unchanged": self.nonupdates,
            "failed": len(failed),
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    @property
    def status(self) -> int:
        """The answer's status."""
        if self.permission_errors:
            return FORBIDDEN
        if not self.created_errors and not self.updated_errors:
            return ALL_WELL
        return SOME_FAILED if self.inserts or self.updates or self.nonupdates else BAD_REQUEST


def bulk(
    tenant: Tenant, resource: Resource, items: Any, *, denied: Collection[str] = ()
) -> tuple[int, Any, str]:
    """Upsert a list of items, and return the answer's status and body, and what was done.

    Args:
        tenant: Where to.
        resource: What the items are.
        items: The request's body, decoded.
        denied: Companies the token may not write to; `*` is all.
    """
    if not isinstance(items, list):
        return BAD_REQUEST, "Payload must be an array", ""
    if len(items) > MAX_BULK_ITEMS:
        return BAD_REQUEST, f"Payload must not hold more than {MAX_BULK_ITEMS} items", ""
    if tenant.options.no_store:
        return ALL_WELL, _stored_nowhere(tenant, items), f"{len(items)} not stored"
    outcome = UpsertTally()
    now = tenant.now()
    seen: set[tuple[Any, ...]] = set()
    for item in items:
        _upsert(tenant, resource, item, outcome, now=now, seen=seen, denied=denied)
    return outcome.status, _reply(tenant, outcome), outcome.summary


def _upsert(
    tenant: Tenant,
    resource: Resource,
    item: Any,
    outcome: UpsertTally,
    *,
    now: str,
    seen: set[tuple[Any, ...]],
    denied: Collection[str],
) -> None:
    errors = outcome.created_errors
    table = tenant.tables[resource.name]
    try:
        sent = records.read_payload(tenant, resource, item)
        found = records.match(tenant, resource, sent)
        old = table.get(found) if found else None
        companies = {
            sent.get(resource.company_property),
            (old or {}).get(resource.company_property),
        }
        if "*" in denied or companies & set(denied):
            errors = outcome.permission_errors
            raise RecordError("You don't have permission to write this record")  # noqa: TRY301
        _only_once(tenant, resource, sent, seen)
        if old is None and _lost_ticket(tenant, sent, item):
            return
        if old is None:
            outcome.inserts.append(records.create(tenant, resource, sent, now))
            return
        errors = outcome.updated_errors
        doc, changed = records.change(tenant, resource, old, sent, now)
        if changed:
            outcome.updates.append(doc)
        else:
            outcome.nonupdates += 1
    except RecordError as error:
        errors.append(_error_item(tenant, str(error), item))


def _lost_ticket(tenant: Tenant, sent: Doc, item: Doc) -> bool:
    ticket = sent.get("type") == TICKET and tenant.habits.takes_tickets
    return ticket and not (sent.get("sourceId") and item.get("email"))


def _only_once(tenant: Tenant, resource: Resource, sent: Doc, seen: set[tuple[Any, ...]]) -> None:
    """Reject a key that an earlier item of the request had: most of the time.

    What happens is not documented: the later item may also be written over the earlier one.
    """
    company = sent.get(resource.company_property)
    for keyable in resource.keyables:
        if value := sent.get(keyable):
            key = (keyable, value, company if keyable == "externalId" else None)
            if key in seen and (tenant.options.steady or tenant.rng.random() < 0.75):  # noqa: PLR2004
                raise RecordError(f"{keyable} {value} duplicated")
            seen.add(key)


def _error_item(tenant: Tenant, message: str, item: Any) -> Any:
    """Return an error in one of many shapes, as none is documented."""
    keys = {
        name: item[name]
        for name in ("_id", "sourceId", "externalId")
        if isinstance(item, dict) and item.get(name)
    }
    named = ", ".join(f"{name} {value}" for name, value in keys.items())
    shapes = [
        {"message": message, **keys},
        message if not named or "duplicated" in message else f"{message} ({named})",
        {"error": message, "item": item},
        {"message": message},
        {"error": {"message": message}, "keys": keys},
    ]
    return shapes[0 if tenant.options.steady else tenant.rng.randrange(len(shapes))]


def _keys(doc: Doc) -> Doc:
    return {name: doc[name] for name in ("_id", "sourceId", "externalId") if doc.get(name)}


def _reply(tenant: Tenant, outcome: UpsertTally) -> Doc:
    reply = {
        "created": len(outcome.inserts),
        "createdErrors": outcome.created_errors,
        "insertsKeys": [_keys(doc) for doc in outcome.inserts],
        "updated": len(outcome.updates),
        "updatedErrors": outcome.updated_errors,
        "updatesKeys": [_keys(doc) for doc in outcome.updates],
        "nonupdates": outcome.nonupdates,
        "modified": [doc["_id"] for doc in outcome.updates],
        "upsertedIds": [doc["_id"] for doc in outcome.inserts],
        "permissionErrors": outcome.permission_errors,
    }
    if tenant.options.steady:
        return reply
    # Every key is optional: empty ones are left out half of the time, lists of keys at times.
    rng = tenant.rng
    share = {
        name: 0.5 if not value else 0.1 if name in _LISTS else 0 for name, value in reply.items()
    }
    shown = {name: value for name, value in reply.items() if rng.random() >= share[name]}
    for count, keys in _COUNTED.items():
        if shown.get(keys) and rng.random() < 0.1:  # noqa: PLR2004
            # The list says how many.
            del shown[count]
    return shown


def _stored_nowhere(tenant: Tenant, items: list[Any]) -> Doc:
    ids = [tenant.new_id() for _ in items]
    keys = [{"_id": made, **_keys(item)} for made, item in zip(ids, items, strict=True)]
    return _reply(tenant, UpsertTally()) | {
        "created": len(items),
        "insertsKeys": keys,
        "upsertedIds": ids,
    }
