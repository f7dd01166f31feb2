"""Creates, changes and finds one record at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_sandbox.options import TaskDates
from planhat_sandbox.tenant.fields import CastError, cast_all, is_id
from planhat_sandbox.tenant.rules import PREFIXES, RULES, TICKET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource
    from planhat_sandbox.tenant.store import Doc
    from planhat_sandbox.tenant.tenant import Tenant


_UNDATED = 0.75
"""Share of new tasks without dates, where few have them."""


class RecordError(ValueError):
    """A record that cannot be written as it was sent; its text is Planhat's reason."""


def read_payload(tenant: Tenant, resource: Resource, payload: Any) -> Doc:
    """Return what a payload says, cast, with its company resolved.

    Raises:
        RecordError: A value or the company cannot be used.
    """
    if not isinstance(payload, dict):
        raise RecordError("item must be an object")
    try:
        sent = cast_all(payload, resource)
    except CastError as error:
        raise RecordError(str(error)) from None
    name = resource.company_property
    if sent.get(name) is not None:
        company = tenant.company_id(sent[name])
        if name == "cId" and company != sent[name] and not tenant.habits.references_cid:
            company = None
        if company is None:
            raise RecordError(f"{name} {sent[name]} is not valid")
        sent[name] = company
    for people in ("users", "endusers"):
        sent_people = sent.get(people)
        if sent_people:
            sent[people] = [_person(people, one) for one in sent_people]
    return sent


def _person(name: str, value: Any) -> Doc:
    # Ids alone are documented of endusers, and of users only objects.
    person = {"id": value} if isinstance(value, str) and name == "endusers" else value
    if not isinstance(person, dict) or not isinstance(person.get("id"), str):
        raise RecordError(f"Cast to array failed at path {name}")
    return person


def match(tenant: Tenant, resource: Resource, sent: Mapping[str, Any]) -> str | None:
    """Return the `_id` of the record the first matching keyable names, in order of priority.

    Raises:
        RecordError: An externalId without its company that several companies have.
    """
    table = tenant.tables[resource.name]
    for keyable in resource.keyables:
        value = sent.get(keyable)
        if not value:
            continue
        found: str | None
        if keyable == "_id":
            found = value if value in table.rows else None
            if found is None and tenant.habits.unknown_id_creates:
                return None
        elif keyable == "sourceId":
            found = table.by_source(value)
        else:
            owners = table.by_external(value)
            company = sent.get(resource.company_property)
            if company is None and len(owners) > 1:
                raise RecordError(f"externalId {value} is in several companies")
            if company is None and owners and tenant.habits.finds_external_id_alone:
                (company,) = owners
            found = owners.get(company)
        if found:
            return found
    return None


def create(tenant: Tenant, resource: Resource, sent: Mapping[str, Any], now: str) -> Doc:
    """Make and store a record; an `_id` that was sent is not taken over.

    Raises:
        RecordError: Something required is missing, a key is taken, or the type is reserved.
    """
    missing = [name for name in resource.required_to_create if sent.get(name) in (None, "")]
    if missing:
        raise RecordError(f"{', '.join(missing)} required")
    ticket = sent.get("type") == TICKET and tenant.habits.takes_tickets
    if sent.get("type") in resource.reserved_types and not ticket:
        raise RecordError(f"type {sent['type']} is reserved")
    rules = RULES[resource.name]
    defaults = rules.defaults(now)
    doc = {"_id": tenant.new_id(), **defaults}
    # A default that is sent as null stays: replies never show null for it.
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
        RecordError: A required property would be cleared, or a key is another record's.
    """
    cleared = [n for n in resource.required_to_create if n in sent and sent[n] in (None, "")]
    if cleared:
        raise RecordError(f"{', '.join(cleared)} required")
    keeps = not tenant.habits.clears_by_null
    kept = {name for name, value in sent.items() if value is None and keeps} | {"_id"}
    sent = {name: value for name, value in sent.items() if name not in kept}
    doc = {**old, **sent}
    if isinstance(old.get("custom"), dict) and isinstance(sent.get("custom"), dict):
        doc["custom"] = {**old["custom"], **sent["custom"]}
    _finish(tenant, resource, doc, sent)
    changed = doc != old
    # Undocumented: an update that changes nothing may still be one to the clock.
    moved = changed or (not tenant.options.steady and tenant.rng.random() < 0.5)  # noqa: PLR2004
    if moved and _dated(tenant, resource, old):
        doc["updatedAt"] = now
        doc.setdefault("createdAt", now)
    if doc != old:
        tenant.tables[resource.name].put(doc)
    return doc, changed


def _finish(tenant: Tenant, resource: Resource, doc: Doc, sent: Mapping[str, Any]) -> None:
    """Fill in what Planhat knows by itself.

    Raises:
        RecordError: Another record has one of the keys.
    """
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
            raise RecordError(f"{keyable} {value} duplicated")
    rules.derive(tenant, doc, dict(sent))
    if "companyName" in resource.properties:
        company = tenant.companies.get(doc["companyId"])
        doc["companyName"] = company.name if company else None
    for name in rules.not_stored:
        doc.pop(name, None)


def _dated(tenant: Tenant, resource: Resource, old: Doc | None = None) -> bool:
    """Return whether a new record, or an old one that changes, gets dates."""
    if not RULES[resource.name].has_dates:
        return tenant.options.timestamps and "updatedAt" in resource.properties
    if tenant.options.task_dates is TaskDates.FEW:
        return "updatedAt" in old if old else tenant.rng.random() >= _UNDATED
    return tenant.options.task_dates is not TaskDates.NONE


def find_to_write(tenant: Tenant, resource: Resource, key: str) -> Doc | None:
    """Return the record that the path of a PUT names, by `_id` or by a prefix and a keyable."""
    return _find(tenant, resource, key, RULES[resource.name].write_prefixes)


def find_to_read(tenant: Tenant, resource: Resource, key: str) -> Doc | None:
    """Return the record that the path of a GET names, by `_id` or by a prefix and a keyable.

    An `_id` is that of list rows: of an NPS, the contact's (`Planhat: Get npss by ID`). Which of a
    contact's answers comes is not documented.
    """
    doc = _find(tenant, resource, key, RULES[resource.name].read_prefixes)
    named = resource.list_names.get("_id")
    if named is None or not is_id(key) or (doc and tenant.habits.finds_nps_by_id):
        return doc
    table = tenant.tables[resource.name]
    found = table.view((), None, (named,)).equal(key.lower())
    return table.get(_any(tenant, found)) if found else None


def _find(tenant: Tenant, resource: Resource, key: str, prefixes: frozenset[str]) -> Doc | None:
    table = tenant.tables[resource.name]
    for prefix in prefixes:
        if key.startswith(prefix):
            value = key.removeprefix(prefix)
            if PREFIXES[prefix] == "sourceId":
                return table.get(table.by_source(value) or "")
            found = list(table.by_external(value).values())
            return table.get(_any(tenant, found)) if found else None
    return table.get(key.lower())


def _any(tenant: Tenant, found: list[str]) -> str:
    """Return one of several ids; which is not documented, and varies."""
    return found[-1] if tenant.options.steady else tenant.rng.choice(found)


def reply_to_write(resource: Resource, doc: Doc, *, created: bool) -> Doc:
    """Return a record as the answer to a write shows it."""
    rules = RULES[resource.name]
    hidden = rules.not_in_writes | (rules.not_in_creates if created else frozenset())
    shown = {name: value for name, value in doc.items() if name not in hidden}
    return {**shown, **rules.create_extras(doc)} if created else shown
