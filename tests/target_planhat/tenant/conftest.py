"""A sandbox of one's own, and a client that reaches it."""

from __future__ import annotations

import pytest

from planhat_api.client import ClientSettings, PlanhatClient
from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Company, Tenant

ACME = "61006bc89a3e0b702ed8ea49"


class Planhat:
    """A sandbox with a company, and its client."""

    company = ACME

    def __init__(self, sandbox):
        self.tenant = sandbox.tenant
        self.control = sandbox.control
        self.tenant.add_company(Company(ACME, "Acme", "c-1", "acc-1", ("acme.com",)))
        settings = ClientSettings(
            "token", api_url=sandbox.url, requests_per_minute=100_000, retry_timeout=5
        )
        self.client = PlanhatClient(settings)

    def load(self, resource, rows):
        for row in rows:
            self.tenant.tables[resource].put({"_id": self.tenant.new_id(), **row})

    def tasks(self, count, **more):
        """Put tasks in, and return their ids."""
        rows = [
            {"_id": self.tenant.new_id(), "companyId": ACME, "sourceId": f"s-{number}", **more}
            for number in range(count)
        ]
        self.load("tasks", rows)
        return [row["_id"] for row in rows]

    def lists(self, resource):
        return [call for call in self.control.calls if call.resource == resource]


@pytest.fixture
def make_planhat():
    """Makes sandboxes that behave as told: `make_planhat(steady=True)`."""
    running_ones = []

    def make(**options):
        context = running(Tenant(SandboxOptions(**options)))
        planhat = Planhat(context.__enter__())
        running_ones.append((context, planhat.client))
        return planhat

    yield make
    for context, client in running_ones:
        client.close()
        context.__exit__(None, None, None)


@pytest.fixture
def planhat(make_planhat):
    return make_planhat()
