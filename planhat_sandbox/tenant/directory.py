"""The lists beside the four resources: users, companies, contacts and custom fields, read only.

Other pages of Planhat's describe them. Where those name no limit, a small one is assumed, so that
a client has to ask for what it needs and to read on behind a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.resources import RESOURCES
from planhat_sandbox.tenant.listing import read_select, selected, whole_number
from planhat_sandbox.tenant.store import sort_key
from planhat_sandbox.tenant.tenant import Company, Contact, CustomField, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from planhat_sandbox.tenant.store import Doc
    from planhat_sandbox.tenant.tenant import Tenant


@dataclass(frozen=True)
class DirectoryList:
    """One of the lists: what it holds and how it is read."""

    rows: Callable[[Tenant, str], Iterable[Doc]]
    """All rows, or at least those with the address that is asked for."""
    add: Callable[[Tenant, Doc], object]
    """Stores a row in the list's shape."""
    max_limit: int | None = None
    """Most rows of an answer; None: always all."""
    default_limit: int = 100
    filters: frozenset[str] = frozenset()
    """Query parameters that are properties a row must have."""
    alone: bool = False
    """A filtered list of one may come as that one."""


def answer(tenant: Tenant, name: str, params: Mapping[str, str]) -> tuple[bytes, int]:
    """Return the body of a list's answer, and the number of its rows.

    Raises:
        BadQueryError: A number that cannot be read.
    """
    table = LISTS[name]
    wanted = {key: params[key] for key in table.filters if params.get(key)}
    found = [
        row for row in table.rows(tenant, wanted.get("email", "")) if _has(tenant, row, wanted)
    ]
    found = _page(tenant, table, found, params)
    if not tenant.options.steady:
        found = [_varied(tenant, row) for row in found]
    if select := read_select(params):
        found = [selected(row, select) for row in found]
    if table.alone and wanted and len(found) == 1 and tenant.habits.user_alone:
        return orjson.dumps(found[0]), 1
    return orjson.dumps(found), len(found)


def dump(tenant: Tenant, name: str) -> list[Doc]:
    """Return all rows of a list, as they are kept."""
    return list(LISTS[name].rows(tenant, ""))


def load(tenant: Tenant, name: str, row: Mapping[str, Any]) -> None:
    """Store a row in the list's shape; a row without `_id` gets one.

    Raises:
        KeyError: It lacks a property that every row has.
    """
    LISTS[name].add(tenant, {"_id": tenant.new_id(), **row})


def _has(tenant: Tenant, row: Doc, wanted: Mapping[str, str]) -> bool:
    if tenant.habits.ignores_case and "email" in wanted:
        return str(row.get("email")).lower() == wanted["email"].lower()
    return all(row.get(key) == value for key, value in wanted.items())


def _page(
    tenant: Tenant, table: DirectoryList, rows: list[Doc], params: Mapping[str, str]
) -> list[Doc]:
    sort = params.get("sort", "")
    if sort:
        path = tuple(sort.lstrip("-").split("."))
        rows.sort(key=lambda row: sort_key(row, path), reverse=sort.startswith("-"))
    elif not tenant.options.steady:
        tenant.rng.shuffle(rows)
    if table.max_limit is None:
        return rows
    limit = min(whole_number(params, "limit") or table.default_limit, table.max_limit)
    offset = whole_number(params, "offset") or 0
    return rows[offset : offset + limit]


def _varied(tenant: Tenant, row: Doc) -> Doc:
    """Return a row without some of its false and null properties; others of the null are blank."""
    shown: Doc = {}
    for name, value in row.items():
        chance = tenant.rng.random()
        if value in (None, False) and chance < 0.5:  # noqa: PLR2004
            continue
        shown[name] = "" if value is None and chance < 0.75 else value  # noqa: PLR2004
    return shown


def _users(tenant: Tenant, _: str) -> Iterable[Doc]:
    for user in tenant.users.values():
        first, _, last = user.name.partition(" ")
        yield {
            "_id": user.id,
            "email": user.email,
            "firstName": first,
            "lastName": last,
            "inactive": user.inactive,
        }


def _add_user(tenant: Tenant, row: Doc) -> None:
    tenant.add_user(User(row["_id"], _name(row), row.get("email"), bool(row.get("inactive"))))


def _name(row: Doc) -> str:
    return row.get("name") or f"{row.get('firstName') or ''} {row.get('lastName') or ''}".strip()


def _lean_companies(tenant: Tenant, _: str) -> Iterable[Doc]:
    for company in tenant.companies.values():
        yield {
            "_id": company.id,
            "name": company.name,
            "externalId": company.external_id,
            "sourceId": company.source_id,
        }


def _companies(tenant: Tenant, email: str) -> Iterable[Doc]:
    for row in _lean_companies(tenant, email):
        yield {**row, "domains": list(tenant.companies[row["_id"]].domains)}


def _add_company(tenant: Tenant, row: Doc) -> None:
    keys = row.get("externalId"), row.get("sourceId")
    tenant.add_company(Company(row["_id"], row["name"], *keys, tuple(row.get("domains") or ())))


def _contacts(tenant: Tenant, email: str) -> Iterable[Doc]:
    for contact in tenant.contacts_with(email) if email else tenant.contacts.values():
        first, _, last = contact.name.partition(" ")
        company = tenant.companies.get(contact.company_id or "")
        yield {
            "_id": contact.id,
            "companyId": contact.company_id,
            "companyName": company.name if company else None,
            "email": contact.email,
            "firstName": first,
            "lastName": last,
            "name": contact.name,
        }


def _add_contact(tenant: Tenant, row: Doc) -> None:
    tenant.add_contact(Contact(row["_id"], _name(row), row["email"], row.get("companyId")))


def _custom_fields(tenant: Tenant, _: str) -> Iterable[Doc]:
    for number, item in enumerate(tenant.custom_fields):
        yield {
            "_id": f"{number:024x}",
            "name": item.name,
            "type": item.type,
            "parent": item.parent,
            "isFormula": item.is_formula,
            "isHidden": item.is_hidden,
            "listValues": list(item.list_values),
        }


def _add_custom_field(tenant: Tenant, row: Doc) -> None:
    """Add a field, in the place of one of the same name and model."""
    made = CustomField(
        row["name"],
        row["type"],
        row["parent"],
        is_formula=bool(row.get("isFormula")),
        is_hidden=bool(row.get("isHidden")),
        list_values=tuple(row.get("listValues") or ()),
    )
    same = (made.name, made.parent)
    kept = [one for one in tenant.custom_fields if (one.name, one.parent) != same]
    tenant.custom_fields[:] = [*kept, made]


LISTS: Mapping[str, DirectoryList] = MappingProxyType(
    {
        "users": DirectoryList(_users, _add_user, 2000, filters=frozenset({"email"}), alone=True),
        "leancompanies": DirectoryList(
            _lean_companies, _add_company, filters=frozenset({"externalId", "sourceId"})
        ),
        "companies": DirectoryList(_companies, _add_company, 5000),
        "endusers": DirectoryList(_contacts, _add_contact, 2000, filters=frozenset({"email"})),
        "customfields": DirectoryList(_custom_fields, _add_custom_field, 2000),
    }
)
"""Name in the path -> the list."""
NAMES = frozenset({*RESOURCES, *LISTS})
"""All that is served: what a path may begin with."""
