"""One tenant loaded into another, straight or by way of a warehouse: nothing lost or twice."""

from __future__ import annotations

import pytest

from planhat_api.resources import RESOURCES

NOTE = {"type": "'note' if type in ('email', 'chat', 'ticket', 'call') else type"}
"""A new conversation must have none of the types that Planhat keeps for itself."""
NOT_STORED = {"conversations": {"ownerId", "useSubject"}}
"""What may be written but is never seen again."""
STRAIGHT = ("tap-planhat", "target-planhat")
BY_WAREHOUSE = ("tap-planhat", "target-postgres", "tap-postgres", "target-planhat")


def keyed(row, resource, prefix):
    """Return the key by which the second tenant has the record."""
    found = [row[name] for name in resource.keyables if name != "_id" and row.get(name)]
    return found[0] if found else f"{prefix}{resource.name}:{row['_id']}"


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


@pytest.mark.usefixtures("postgres_warehouse")
@pytest.mark.parametrize(("blocks", "prefix"), [(STRAIGHT, ""), (BY_WAREHOUSE, "planhat-")])
def test_another_tenant_gets_every_record_once_however_often_it_is_loaded(
    project, planhat, second, blocks, prefix
):
    project.reach(
        "target-planhat",
        second.sandbox.url,
        match_on=["sourceId", "externalId"],
        stream_maps={f"{prefix}conversations": NOTE},
        batch_size_rows=100,
    )
    project.runs(*blocks)
    for name, resource in RESOURCES.items():
        old, new = planhat.rows(name), second.rows(name)
        assert not {row["_id"] for row in old} & {row["_id"] for row in new}
        copies = {keyed(row, resource, prefix): row for row in new}
        assert len(copies) == len(new) == len(old)
        for row in old:
            copied = copies[keyed(row, resource, prefix)]
            wanted = sent(row, resource)
            assert {key: copied.get(key) for key in wanted} == wanted
    before = second.dump()
    log = project.runs("--full-refresh", *blocks)
    assert second.dump() == before
    for name, rows in before.items():
        count = len(rows)
        whole = f"{prefix}{name}: {count} read = 0 created, 0 updated, {count} unchanged"
        assert log.count(whole) == 1, log
