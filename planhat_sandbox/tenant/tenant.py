"""The tenant that a sandbox serves: companies, people, custom fields and records."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from planhat_api.resources import RESOURCES
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.tenant.habits import Habits
from planhat_sandbox.tenant.store import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DEFAULT_TYPES = frozenset({"note", "meeting", "training", "in person meeting"})
"""Conversation types of the tenant's own; any other becomes `note`."""


@dataclass(frozen=True)
class Company:
    """A company that records belong to."""

    id: str
    name: str
    external_id: str | None = None
    source_id: str | None = None
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contact:
    """A person at a company: Planhat's enduser."""

    id: str
    name: str
    email: str
    company_id: str | None = None


@dataclass(frozen=True)
class User:
    """A member of the tenant's own team."""

    id: str
    name: str
    email: str | None = None
    inactive: bool = False


@dataclass(frozen=True)
class CustomField:
    """A field of the tenant's own that records of one model have."""

    name: str
    type: str
    """As Planhat calls it, such as `rich text` or `multipicklist`."""
    parent: str
    """The model, in the singular."""
    is_formula: bool = False
    is_hidden: bool = False
    list_values: tuple[str, ...] = ()


def stamp(moment: datetime) -> str:
    """Return a time as Planhat writes it: ISO 8601, UTC, milliseconds."""
    # Not by strftime, which writes the year 99 in two digits.
    bare = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return bare.isoformat(timespec="milliseconds") + "Z"


class Tenant:
    """Everything a sandbox holds."""

    def __init__(
        self,
        options: SandboxOptions | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        sample: Callable[[Tenant], None] = lambda _: None,
    ) -> None:
        """Start with the sample data.

        Args:
            options: How it behaves.
            clock: The current time, with a zone.
            sample: Fills it with sample data; it starts empty without.
        """
        self.options = options or SandboxOptions()
        self.clock = clock
        self._sample = sample
        self.restore()

    def restore(self) -> None:
        """Forget everything, and start with the sample data again."""
        self.clear()
        self._sample(self)

    def clear(self) -> None:
        """Forget everything, and start the random numbers of the seed again."""
        self.rng = random.Random(self.options.seed)
        self.habits = Habits.drawn(self.options)
        self.tables = {name: Table(resource) for name, resource in RESOURCES.items()}
        self.companies: dict[str, Company] = {}
        self.users: dict[str, User] = {}
        self.contacts: dict[str, Contact] = {}
        self.custom_fields: list[CustomField] = []
        self._references: dict[str, str] = {}
        self._addresses: dict[str, list[Contact]] = {}
        self._machine = f"{self.rng.getrandbits(40):010x}"
        self._counter = self.rng.getrandbits(23)

    def now(self) -> str:
        """Return the current time as Planhat writes it."""
        return stamp(self.clock())

    def new_id(self, moment: datetime | None = None) -> str:
        """Return a new ObjectId: time of creation in seconds, machine, counter."""
        seconds = int((moment or self.clock()).timestamp())
        self._counter = (self._counter + 1) & 0xFFFFFF
        return f"{seconds:08x}{self._machine}{self._counter:06x}"

    def add_company(self, company: Company) -> Company:
        """Add or replace a company."""
        self.companies[company.id] = company
        self._references[company.id] = company.id
        if company.external_id:
            self._references[f"extid-{company.external_id}"] = company.id
        if company.source_id:
            self._references[f"srcid-{company.source_id}"] = company.id
        return company

    def company_id(self, reference: Any) -> str | None:
        """Return the id of the company an `_id`, `extid-…` or `srcid-…` names, if any."""
        return self._references.get(reference) if isinstance(reference, str) else None

    def add_user(self, user: User) -> User:
        """Add or replace a team member."""
        self.users[user.id] = user
        return user

    def add_contact(self, contact: Contact) -> Contact:
        """Add or replace a contact; one address may stand in several companies."""
        same = self._addresses.setdefault(contact.email.lower(), [])
        same[:] = [*(one for one in same if one.id != contact.id), contact]
        self.contacts[contact.id] = contact
        return contact

    def contacts_with(self, email: str) -> list[Contact]:
        """Return the contacts with this address."""
        found = self._addresses.get(email.lower(), ())
        return [one for one in found if self.habits.ignores_case or one.email == email]

    def contact(self, email: str, company_id: str | None) -> Contact:
        """Return the contact with this address, the company's own first; create it if missing."""
        found = self.contacts_with(email)
        own = [one for one in found if one.company_id == company_id]
        return (own or found or [self._new_contact(email, company_id)])[0]

    def _new_contact(self, email: str, company_id: str | None) -> Contact:
        name = email.partition("@")[0].title()
        return self.add_contact(Contact(self.new_id(), name, email, company_id))

    def adopt(self, other: Tenant) -> None:
        """Take over another tenant's companies, people and custom fields, but no records."""
        for company in other.companies.values():
            self.add_company(company)
        for contact in other.contacts.values():
            self.add_contact(contact)
        self.users |= other.users
        self.custom_fields += other.custom_fields

    def learn(self, docs: Iterable[Mapping[str, Any]]) -> None:
        """Add the companies and people that rows put in directly refer to."""
        for doc in docs:
            company = doc.get("companyId") or doc.get("cId")
            if company and company not in self.companies:
                self.add_company(Company(company, doc.get("companyName") or "Company"))
            for user in doc.get("users") or ():
                self.users.setdefault(user["id"], User(user["id"], user.get("name") or ""))
            if doc.get("ownerId") and doc.get("ownerName"):
                self.users.setdefault(doc["ownerId"], User(doc["ownerId"], doc["ownerName"]))
            for person in doc.get("endusers") or ():
                if person["id"] not in self.contacts:
                    email = f"{person['id']}@contact.example"
                    self.add_contact(Contact(person["id"], person.get("name") or "", email))
            if doc.get("euId") and doc.get("email"):
                name = doc["email"].partition("@")[0].title()
                self.add_contact(Contact(doc["euId"], name, doc["email"], doc.get("cId")))
