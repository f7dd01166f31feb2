"""Finds the ids of users, companies and contacts that records name by address, name or domain.

Users and companies are listed once, when the first is looked for; contacts are asked for one by
one. What is not found, or found more than once, or may not be read, rejects the record: a name is
never sent in place of an id.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from planhat_api import errors
from planhat_api.resources import COMPANIES, ENDUSERS, LEAN_COMPANIES, USERS
from target_planhat import references
from target_planhat.item import Item
from target_planhat.outcome import rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planhat_api.client import PlanhatClient
    from planhat_api.resources import ReadOnlyList, Resource
    from target_planhat.outcome import Outcome

    Row = Mapping[str, Any]
    Index = Mapping[str, list[str]]

PAGE = 2000
"""Page size for lists whose documentation gives no maximum."""
ROUND = 100
"""A page of so many rows, or a multiple, may have been cut by a limit of the server's."""
_UNREADABLE = (errors.PermissionDeniedError, errors.NotFoundError, errors.PayloadError)


class _NotResolvedError(Exception):
    """A reference could not be resolved; the text says why."""


class Lookups:
    """Finds the ids that references stand for; keeps them for the whole run."""

    def __init__(self, client: PlanhatClient, *, most_calls: int) -> None:
        """Ask for nothing yet.

        Args:
            client: Calls Planhat.
            most_calls: Contacts that may be asked for.
        """
        self._client = client
        self._left = self._most_calls = most_calls
        self._lists: dict[str, list[Row] | errors.PlanhatError] = {}
        self._indexes: dict[tuple[str, str], Index] = {}
        self._contacts: dict[str, list[Row]] = {}
        self._contacts_denied = ""

    def resolve(self, item: Item, resource: Resource) -> Item | Outcome:
        """Return an item with ids in place of names, or why it is rejected.

        Raises:
            PlanhatError: Planhat is down, or refuses the token.
        """
        body = dict(item.body)
        label, company = resource.company_property, item.company
        name = label
        try:
            if named := references.company(body.get(label)):
                body[label] = company = self._company(*named)
            for name, value in body.items():
                refers_to = resource.properties[name].refers_to
                if refers_to and isinstance(value, list):
                    body[name] = [self._person(refers_to, one, company) for one in value]
                elif refers_to and (address := references.address(value)):
                    body[name] = self._user(address)
        except _NotResolvedError as why:
            return rejected(f"`{name}`: {why}.")
        return Item(body, item.keys, company, generated=item.generated, origin=item.origin)

    def company_id(self, reference: str) -> str | None:
        """Return the `_id` of a company named by `extid-…`, `srcid-…`, name or domain, if known.

        Raises:
            PlanhatError: Planhat is down, or refuses the token.
        """
        named = references.company(reference)
        prefix, _, value = reference.partition("-")
        try:
            if named:
                return self._company(*named)
            key = {"extid": "externalId", "srcid": "sourceId"}[prefix]
            found = self._companies(key)[1].get(value, [])
        except (_NotResolvedError, KeyError):
            return None
        return found[0] if len(found) == 1 else None

    def has_company(self, reference: str) -> bool:
        """Return whether there is a company with this `_id` or reference, or may be one.

        Raises:
            PlanhatError: Planhat is down, or refuses the token.
        """
        try:
            _, companies = self._companies("_id")
        except _NotResolvedError:
            return True
        return reference.lower() in companies or self.company_id(reference) is not None

    def _person(self, refers_to: str, one: Any, company: str | None) -> Any:
        address = references.person(one)
        if address is None:
            return one
        found = self._user(address) if refers_to == "user" else self._contact(address, company)
        # `Planhat: Create conversation` names people so.
        others = one.items() if isinstance(one, dict) else ()
        return {name: value for name, value in others if name != "email"} | {"id": found}

    def _user(self, address: str) -> str:
        try:
            users = self._indexed(USERS, "email")
        except _UNREADABLE as error:
            raise _NotResolvedError(f"the list of users cannot be read ({error})") from None
        return _only(users.get(address.casefold(), []), "user", f"has the address '{address}'")

    def _company(self, by: str, name: str) -> str:
        known, companies = self._companies("domains" if by == "domain" else by)
        found = companies.get(_folded(known, name), [])
        how = f"has the domain '{name}'" if by == "domain" else f"is called '{name}'"
        return _only(found, "company", how)

    def _companies(self, key: str) -> tuple[str, Index]:
        """Return an index of all companies; only the longer of the two lists has domains."""
        lists = (COMPANIES,) if key == "domains" else (LEAN_COMPANIES, COMPANIES)
        for listed in lists:
            try:
                return key, self._indexed(listed, key)
            except _UNREADABLE as error:
                last = error
        raise _NotResolvedError(f"the list of companies cannot be read ({last})")

    def _contact(self, address: str, company: str | None) -> str:
        if company and (references.company(company) or company.startswith(("extid-", "srcid-"))):
            resolved = self.company_id(company)
            if resolved is None:
                raise _NotResolvedError(f"it is not known which company {company} is")
            company = resolved
        found = [
            str(row["_id"])
            for row in self._contacts_with(address)
            if company is None or row.get("companyId") == company
        ]
        where = f"contact of company {company}" if company else "contact"
        return _only(found, where, f"has the address '{address}'")

    def _contacts_with(self, address: str) -> list[Row]:
        folded = address.casefold()
        if folded not in self._contacts:
            found: list[Row] = []
            # Whether Planhat folds the case of what it is asked for is not documented.
            for spelling in dict.fromkeys((address, address.lower())):
                found = found or self._ask_for(spelling)
            self._contacts[folded] = found
        return self._contacts[folded]

    def _ask_for(self, address: str) -> list[Row]:
        if self._contacts_denied:
            raise _NotResolvedError(self._contacts_denied)
        if self._left <= 0:
            raise _NotResolvedError(
                f"'{address}' is not looked up: lookup_calls ({self._most_calls}) are used up"
            )
        self._left -= 1
        try:
            rows = self._client.list_rows(ENDUSERS, {"email": address, "limit": PAGE})
        except _UNREADABLE as error:
            self._contacts_denied = f"the list of contacts cannot be read ({error})"
            raise _NotResolvedError(self._contacts_denied) from None
        return [row for row in rows if _folded("email", row.get("email")) == address.casefold()]

    def _indexed(self, listed: ReadOnlyList, key: str) -> Index:
        """Return value of a property -> ids of the rows that have it.

        Raises:
            PlanhatError: The list cannot be read; so it is the next time, without a call.
        """
        index = self._indexes.get((listed.name, key))
        if index is None:
            made: dict[str, list[str]] = defaultdict(list)
            for row in self._rows(listed):
                values = row.get(key)
                for value in values if isinstance(values, list) else [values]:
                    if folded := _folded(key, value):
                        made[folded].append(str(row["_id"]))
            index = self._indexes[listed.name, key] = dict(made)
        return index

    def _rows(self, listed: ReadOnlyList) -> Iterable[Row]:
        if listed.name not in self._lists:
            try:
                self._lists[listed.name] = self._read(listed)
            except _UNREADABLE as error:
                self._lists[listed.name] = error
        rows = self._lists[listed.name]
        if isinstance(rows, errors.PlanhatError):
            raise rows
        return rows

    def _read(self, listed: ReadOnlyList) -> list[Row]:
        limit = listed.max_limit or PAGE
        found: dict[str, Row] = {}
        offset = 0
        while True:
            query: dict[str, str | int] = {"limit": limit, "offset": offset, "sort": "_id"}
            rows = [row for row in self._client.list_rows(listed, query) if row.get("_id")]
            new = {str(row["_id"]): row for row in rows if str(row["_id"]) not in found}
            found |= new
            offset += len(rows)
            # A list that comes in one answer comes whole whatever is asked for.
            if not new or len(rows) % ROUND or len(rows) > limit:
                return list(found.values())


def _only(ids: list[str], noun: str, how: str) -> str:
    """Return the one id that was found."""
    if not ids:
        raise _NotResolvedError(f"no {noun} {how}")
    if len(ids) > 1:
        raise _NotResolvedError(f"more than one {noun} {how}: {' and '.join(ids[:5])}")
    return ids[0]


def _folded(key: str, value: Any) -> str:
    """Return a value as it is looked for: addresses and domains in any case, others exactly."""
    if not isinstance(value, str):
        return ""
    return value.strip().casefold() if key in {"email", "domains"} else value
