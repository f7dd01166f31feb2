"""One record at a time: made, changed, found, shown.

Knows no HTTP; many records at once are `upsert.py`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_sandbox.options import TaskDates
from planhat_sandbox.tenant.fields import CastError, cast_all
from planhat_sandbox.tenant.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource
    from planhat_sandbox.tenant.store import Doc
    from planhat_sandbox.tenant.tenant import Tenant


class RefusedError(ValueError):
    """A record that cannot be written as sent; its text is Planhat's reason."""


def read_payload(tenant: Tenant, resource: Resource, payload: Any) -> Doc:
    """Return what a payload says, cast, with its company resolved.

    Raises:
        RefusedError: A value or the company cannot be used.
    """
    if not isinstance(payload, dict):
        raise RefusedError("item must be an object")
    try:
        sent = cast_all(payload, resource)
    except CastError as error:
        raise RefusedError(str(error)) from None
    name = resource.company_property
    if sent.get(name) is not None:
        company = tenant.company_id(sent[name])
        if company is None:
            raise RefusedError(f"{name} {sent[name]} is not valid")
        sent[name] = company
    for people in ("users", "endusers"):
        sent_people = sent.get(people)
        if sent_people:
            sent[people] = [_person(people, one) for one in sent_people]
    return sent


def _person(name: str, value: Any) -> Doc:
    person = {"id": value} if isinstance(value, str) else value
    if not isinstance(person, dict) or not isinstance(person.get("id"), str):
        raise RefusedError(f"Cast to array failed at path {name}")
    return person


def match(tenant: Tenant, resource: Resource, sent: Mapping[str, Any]) -> str | None:
    """Return the `_id` of the record the first matching keyable names, in order of priority.

    Raises:
        RefusedError: An externalId without its company that several companies have.
    """
    table = tenant.tables[resource.name]
    for keyable in resource.keyables:
        value = sent.get(keyable)
        if not value:
            continue
        found: str | None
        if keyable == "_id":
            found = value if value in table.rows else None
        elif keyable == "sourceId":
            found = table.by_source(value)
        else:
            owners = table.by_external(value)
            company = sent.get(resource.company_property)
            if company is None and len(owners) > 1:
                raise RefusedError(f"externalId {value} is in several companies")
            found = owners.get(company) if company else next(iter(owners.values()), None)
        if found:
            return found
    return None


def create(tenant: Tenant, resource: Resource, sent: Mapping[str, Any], now: str) -> Doc:
    """Make and store a record; an `_id` that was sent is not taken over.

    Raises:
        RefusedError: Something required is missing, a key is taken, or the type is reserved.
    """
    missing = [name for name in resource.required_to_create if sent.get(name) in (None, "")]
    if missing:
        raise RefusedError(f"{', '.join(missing)} required")
    if sent.get("type") in resource.reserved_types:
        raise RefusedError(f"type {sent['type']} is reserved")
    rules = RULES[resource.name]
    defaults = rules.defaults(now)
    doc = {"_id": tenant.new_id(), **defaults}
    # Sent as null, a default stays what it is: the replies never show one of them as nothing.
    doc.update(
        (name, value)
        for name, value in sent.items()
        if name != "_id" and not (value is None and name in defaults)
    )
    _finish(tenant, resource, doc, sent)
    if _dated(tenant, resource):
        doc["createdAt"] = doc["updatedAt"] = now
    tenant.tables[resource.name].put(doc)
    return doc


def change(
    tenant: Tenant, resource: Resource, old: Doc, sent: Mapping[str, Any], now: str
) -> tuple[Doc, bool]:
    """Update a record: what is omitted stays, custom merges, null clears.

    Returns:
        The record, and whether anything is different.

    Raises:
        RefusedError: A required property would be cleared, or a key is another record's.
    """
    cleared = [n for n in resource.required_to_create if n in sent and sent[n] in (None, "")]
    if cleared:
        raise RefusedError(f"{', '.join(cleared)} required")
    doc = {**old, **{name: value for name, value in sent.items() if name != "_id"}}
    if isinstance(old.get("custom"), dict) and isinstance(sent.get("custom"), dict):
        doc["custom"] = {**old["custom"], **sent["custom"]}
    _finish(tenant, resource, doc, sent)
    changed = doc != old
    # Undocumented: an update that changes nothing may still be one to the clock.
    moved = changed or (not tenant.options.steady and tenant.rng.random() < 0.5)  # noqa: PLR2004
    if moved and _dated(tenant, resource):
        doc["updatedAt"] = now
        doc.setdefault("createdAt", now)
    if doc != old:
        tenant.tables[resource.name].put(doc)
    return doc, changed


def _finish(tenant: Tenant, resource: Resource, doc: Doc, sent: Mapping[str, Any]) -> None:
    """Fill in what Planhat knows by itself; refuse a key that another record has."""
    rules = RULES[resource.name]
    table = tenant.tables[resource.name]
    for keyable in resource.keyables[1:]:
        value = sent.get(keyable)
        if keyable == "sourceId":
            taken = table.by_source(value) if value else None
        else:
            value = doc.get(keyable)
            owners = table.by_external(value) if value else {}
            taken = owners.get(doc.get(resource.company_property))
        if taken and taken != doc["_id"]:
            raise RefusedError(f"{keyable} {value} duplicated")
    rules.derive(tenant, doc, dict(sent))
    if "companyName" in resource.properties:
        company = tenant.companies.get(doc["companyId"])
        doc["companyName"] = company.name if company else None
    for name in rules.not_stored:
        doc.pop(name, None)


def _dated(tenant: Tenant, resource: Resource) -> bool:
    if RULES[resource.name].has_dates:
        return tenant.options.task_dates is not TaskDates.NONE
    return tenant.options.timestamps and "updatedAt" in resource.properties


def find(tenant: Tenant, resource: Resource, key: str, *, contact: bool = False) -> Doc | None:
    """Return the record a path names: by `_id`, or by a prefix and a keyable.

    Args:
        tenant: Where to look.
        resource: What to look for.
        key: The path's last part, decoded.
        contact: Where `_id` may be that of a list row (`Planhat: Get npss by ID`), find it so.
    """
    table = tenant.tables[resource.name]
    for prefix, keyable in resource.path_prefixes.items():
        if key.startswith(prefix):
            value = key.removeprefix(prefix)
            if keyable == "sourceId":
                found = table.by_source(value)
            else:
                found = next(iter(table.by_external(value).values()), None)
            return table.get(found) if found else None
    doc = table.get(key.lower())
    other = resource.list_names.get("_id")
    if doc is None and contact and other:
        newest = table.view((), None, (other,)).last_equal(key.lower())
        doc = table.get(newest) if newest else None
    return doc


def written(resource: Resource, doc: Doc, *, created: bool) -> Doc:
    """Return a record as the reply to a write shows it."""
    rules = RULES[resource.name]
    hidden = rules.not_in_writes | (rules.not_in_creates if created else frozenset())
    shown = {name: value for name, value in doc.items() if name not in hidden}
    return {**shown, **rules.create_extras(doc)} if created else shown
