"""A warehouse that holds one tenant, loaded into another: nothing twice, values unchanged."""

from __future__ import annotations

import pytest

from planhat_api.resources import RESOURCES
from planhat_api.sandbox.options import Options
from planhat_api.sandbox.tenant import Tenant

STREAM_MAPS = {
    # A new conversation must have none of the types that Planhat keeps for itself.
    "planhat-conversations": {
        "type": "'note' if type in ('email', 'chat', 'ticket', 'call') else type"
    }
}
NOT_STORED = {"conversations": {"ownerId", "useSubject"}}
"""What may be written but is never seen again."""


@pytest.fixture
def second(new_tenant, tenancy):
    """Another tenant with the same companies and people, and no records."""
    first = new_tenant()
    made = Tenant(Options(steady=True, timestamps=True, seed=2))
    for company in first.companies.values():
        made.add_company(company)
    for contact in first.contact_ids.values():
        made.add_contact(contact)
    made.users.update(first.users)
    with tenancy(made) as running:
        yield running


@pytest.fixture
def messages(pipeline, first_runs):
    """What tap-postgres reads in the warehouse."""
    database, _ = first_runs("INCREMENTAL")
    config = {**database.config, "filter_schemas": ["planhat"]}
    catalog = pipeline.catalog("tap-postgres", config)
    run = pipeline.extract("tap-postgres", config, catalog=catalog)
    assert run.code == 0, run.log
    return run.out


def keyed(row, resource):
    """Return the key by which the second tenant has the record."""
    found = [row[name] for name in resource.keyables if name != "_id" and row.get(name)]
    return found[0] if found else f"planhat-{resource.name}:{row['_id']}"


def sent(row, resource):
    """Return what of a record is to be in the second tenant."""
    left_out = {"_id", *resource.keyables, *NOT_STORED.get(resource.name, ())}
    values = {
        name: row[name]
        for name, item in resource.properties.items()
        if item.writable and name not in left_out and row.get(name) is not None
    }
    if values.get("custom"):
        # Nulls are not sent.
        values["custom"] = {key: held for key, held in values["custom"].items() if held is not None}
    if values.get("type") in resource.reserved_types:
        values["type"] = "note"
    return values


def test_a_warehouse_refills_another_tenant_and_a_second_run_creates_nothing(
    pipeline, messages, new_tenant, second, tenancy
):
    config = second.config(
        match_on=["sourceId", "externalId"], stream_maps=STREAM_MAPS, batch_size_rows=100
    )
    run = pipeline.load("target-planhat", config, messages)
    assert run.code == 0, run.log
    with tenancy(new_tenant()) as first:
        for name, resource in RESOURCES.items():
            old, new = first.rows(name), second.rows(name)
            assert not {row["_id"] for row in old} & {row["_id"] for row in new}
            copies = {keyed(row, resource): row for row in new}
            assert len(copies) == len(new) == len(old)
            for row in old:
                copied = copies[keyed(row, resource)]
                wanted = sent(row, resource)
                assert {key: copied.get(key) for key in wanted} == wanted
    before = second.dump()
    run = pipeline.load("target-planhat", config, messages)
    assert run.code == 0, run.log
    assert second.dump() == before
    for figures in run.outcomes.values():
        assert figures.keys() == {"read", "unchanged"}
