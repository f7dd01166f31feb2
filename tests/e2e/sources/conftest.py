"""A tenant with two companies to write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.tenant.habits import Habits
from planhat_sandbox.tenant.tenant import Company, Tenant

COMPANIES = (
    Company("6100000000000000000000a1", "North", "71", "acc-71"),
    Company("6100000000000000000000b2", "South", "72", "acc-72"),
)


@pytest.fixture(scope="session")
def data():
    """The folder with tables and CSV files."""
    return Path(__file__).parent / "data"


@pytest.fixture
def planhat(tenancy):
    """A tenant without records whose answers tell exactly what became of each."""
    tenant = Tenant(SandboxOptions(steady=True))
    # The sources know companies by their own ids alone, those of NPS answers too.
    tenant.habits = Habits(references_cid=True)
    for company in COMPANIES:
        tenant.add_company(company)
    with tenancy(tenant) as running:
        yield running
