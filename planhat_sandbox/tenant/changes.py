"""Changes records while a list is read, as other people would: at random, whoever is reading."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from planhat_api.resources import RESOURCES
from planhat_sandbox.tenant import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planhat_api.resources import Resource
    from planhat_sandbox.tenant.store import Doc
    from planhat_sandbox.tenant.tenant import Tenant


@dataclass
class Changes:
    """Changes to make to a resource after every so many of its list requests."""

    resource: str
    every: int = 1
    """List requests from one time to the next."""
    count: int | None = None
    """Times it is still done; None: always."""
    insert: int = 0
    update: int = 0
    delete: int = 0
    archive: int = 0
    reopen: int = 0
    """Archived rows that come back."""
    seen: int = 0
    """List requests so far."""

    def __post_init__(self) -> None:
        """Reject changes that would do nothing.

        Raises:
            ValueError: No such resource, or one that has no archive.
        """
        if self.resource not in RESOURCES:
            raise ValueError(f"no such resource: {self.resource}")
        if (self.archive or self.reopen) and not self._flag:
            raise ValueError(f"{self.resource} are never archived")

    @property
    def _flag(self) -> str | None:
        names = RESOURCES[self.resource].properties
        return next((name for name in ("isArchived", "archived") if name in names), None)

    def after_list(self, tenant: Tenant, name: str) -> None:
        """Count a list request, and change rows where it is time to."""
        if name != self.resource or self.count == 0:
            return
        self.seen += 1
        if self.seen % self.every:
            return
        if self.count is not None:
            self.count -= 1
        self.apply(tenant)

    def apply(self, tenant: Tenant) -> None:
        """Change rows now."""
        resource = RESOURCES[self.resource]
        table = tenant.tables[resource.name]
        for doc in table.sample(tenant.rng, self.delete):
            table.remove(doc["_id"])
        flag = self._flag or ""
        for value, count in ((True, self.archive), (False, self.reopen)):
            # So many that enough of them are in the other state.
            found = table.sample(tenant.rng, 20 * count)
            for doc in [doc for doc in found if bool(doc.get(flag)) is not value][:count]:
                _change(tenant, resource, doc, {flag: value})
        for doc in table.sample(tenant.rng, self.update):
            _change(tenant, resource, doc, {"custom": {"Touched": tenant.rng.getrandbits(32)}})
        for _ in range(self.insert):
            _insert(tenant, resource)

    def listed(self) -> dict[str, Any]:
        """Return it as the control API shows it."""
        return asdict(self)


def _change(tenant: Tenant, resource: Resource, doc: Doc, sent: Mapping[str, Any]) -> None:
    records.change(tenant, resource, doc, sent, tenant.now())


def _insert(tenant: Tenant, resource: Resource) -> None:
    """Create a record in some company."""
    number = tenant.rng.getrandbits(40)
    company = tenant.rng.choice(list(tenant.companies) or [None])
    values = {
        "name": f"Campaign {number}",
        "email": f"contact{number}@sandbox.example",
        "score": number % 11,
        resource.company_property: company,
    }
    sent = {
        name: values[name] for name in (*resource.required_to_create, resource.company_property)
    }
    if company is not None or resource.company_property not in resource.required_to_create:
        records.create(tenant, resource, sent, tenant.now())
