from collections import Counter
from datetime import datetime, timedelta, timezone

import orjson
import pytest

from planhat_api.resources import RESOURCES, Kind
from planhat_sandbox.demo import sample
from planhat_sandbox.options import SandboxOptions, TaskDates
from planhat_sandbox.tenant import directory
from planhat_sandbox.tenant.rules import score_type
from planhat_sandbox.tenant.tenant import Tenant, stamp

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


def filled(rows=None, **options):
    tenant = Tenant(SandboxOptions(**options), clock=lambda: NOW)
    sample.fill(tenant, NOW, rows)
    return tenant


@pytest.fixture(scope="module")
def tenant():
    return filled()


@pytest.fixture(scope="module")
def rows(tenant):
    return {
        name: [orjson.loads(data) for data in table.rows.values()]
        for name, table in tenant.tables.items()
    }


def test_the_same_seed_and_moment_make_the_same_tenant(tenant):
    again, other = filled(), filled(seed=2)
    for name, table in tenant.tables.items():
        assert again.tables[name].rows == table.rows
        assert other.tables[name].rows != table.rows
    assert again.companies == tenant.companies
    assert again.contacts == tenant.contacts


def test_every_resource_has_more_rows_than_a_page_and_rows_of_usual_size(tenant, name):
    table = tenant.tables[name]
    assert len(table.rows) == sample.ROWS[name] > RESOURCES[name].default_limit * 3
    size = sum(map(len, table.rows.values())) / len(table.rows)
    assert 400 < size < 1200


def test_rows_hold_only_what_the_property_tables_know_in_its_type(rows, name):
    kinds = {
        Kind.OBJECT_ID: str,
        Kind.TEXT: str,
        Kind.DATE: str,
        Kind.INTEGER: int,
        Kind.NUMBER: (int, float),
        Kind.BOOLEAN: bool,
        Kind.ARRAY: list,
        Kind.OBJECT: dict,
    }
    properties = RESOURCES[name].properties
    for row in rows[name]:
        for key, value in row.items():
            assert value is None or isinstance(value, kinds[properties[key].kind]), (key, value)


def test_rows_belong_to_companies_and_people_that_exist(tenant, rows, name):
    prop = RESOURCES[name].company_property
    assert len(tenant.companies) == 60
    assert {row[prop] for row in rows[name]} == set(tenant.companies)
    for row in rows[name]:
        assert row.get("companyName") in {None, tenant.companies[row[prop]].name}
        assert {person["id"] for person in row.get("endusers", ())} <= set(tenant.contacts)
        assert {person["id"] for person in row.get("users", ())} <= set(tenant.users)


def test_ids_are_unique_and_as_old_as_their_rows(rows, name):
    ids = [row["_id"] for row in rows[name]]
    assert all(len(key) == 24 for key in ids)
    oldest = NOW - timedelta(days=sample.DAYS + 10)
    times = [int(key[:8], 16) for key in ids]
    assert oldest.timestamp() <= min(times) <= max(times) <= NOW.timestamp()
    sources = [row["sourceId"] for row in rows[name] if row.get("sourceId")]
    assert len(set(sources)) == len(sources)


def test_some_keys_are_blank_and_some_are_absent(rows):
    for name in ("campaigns", "conversations"):
        kinds = Counter(row.get("externalId", "absent") == "" for row in rows[name])
        assert kinds[True] > 50
        assert any("externalId" not in row for row in rows[name])
    companies = filled(0).companies.values()
    assert {bool(one.external_id) for one in companies} == {True, False}
    assert {bool(one.source_id) for one in companies} == {True, False}


def test_two_tasks_of_three_are_archived_and_some_are_calendar_events(rows):
    archived = sum(row["isArchived"] for row in rows["tasks"]) / len(rows["tasks"])
    assert 0.62 < archived < 0.71
    assert {row["mainType"] for row in rows["tasks"]} == {"task", "event"}


def test_dates_are_missing_here_and_there(rows):
    for name, prop in (("tasks", "startTime"), ("tasks", "dateDone"), ("conversations", "outDate")):
        assert {prop in row for row in rows[name]} == {True, False}
    assert None in {row.get("startTime", "") for row in rows["tasks"]}
    assert None in {row["dateSent"] for row in rows["nps"]}


def test_the_nps_reach_back_three_years_and_contacts_answer_more_than_once(rows):
    dates = sorted(row["dateAnswered"] for row in rows["nps"])
    assert stamp(NOW - timedelta(days=1096)) <= dates[0] < stamp(NOW - timedelta(days=1090))
    assert stamp(NOW - timedelta(days=5)) < dates[-1] <= stamp(NOW)
    assert max(Counter(row["euId"] for row in rows["nps"]).values()) > 3
    assert {row["score"] for row in rows["nps"]} == set(range(11))
    assert all(row["scoreType"] == score_type(row["score"]) for row in rows["nps"])


def test_some_mail_was_imported_long_after_it_was_written(rows):
    late = [
        row
        for row in rows["conversations"]
        if int(row["_id"][:8], 16)
        - datetime.fromisoformat(row["createDate"].replace("Z", "+00:00")).timestamp()
        > 300 * 86_400
    ]
    assert 200 < len(late) < 300


def test_custom_fields_are_of_every_type(rows):
    for name in RESOURCES:
        values = [v for row in rows[name] for v in (row.get("custom") or {}).values()]
        kinds = {type(value) for value in values}
        assert kinds == {int, float, bool, str, list, dict, type(None)}
        assert "undefined" in values
        assert "" in values
        assert any(isinstance(v, list) and isinstance(v[0], list) for v in values)


@pytest.mark.parametrize(
    ("dates", "share"), [("all", 1), ("some", 0.996), ("few", 0.25), ("none", 0)]
)
def test_all_some_or_no_tasks_carry_dates(dates, share):
    tenant = filled({"tasks": 1000}, task_dates=TaskDates(dates))
    found = [orjson.loads(data) for data in tenant.tables["tasks"].rows.values()]
    assert sum("updatedAt" in row for row in found) / len(found) == share
    for row in found:
        if "updatedAt" in row:
            assert row["createdAt"] <= row["updatedAt"] <= stamp(NOW)
    assert ("updatedAt" in found[0]) == (dates in {"all", "few"}), "the old ones go without"


def test_many_rows_share_a_moment(rows):
    times = Counter(row["updatedAt"] for row in rows["tasks"] if "updatedAt" in row)
    assert max(times.values()) >= 20


def test_other_resources_carry_dates_where_the_tenant_is_a_new_one(name):
    tenant = filled(50, timestamps=True)
    found = [orjson.loads(data) for data in tenant.tables[name].rows.values()]
    assert any("updatedAt" in row for row in found) == (name != "nps")


def test_the_rows_of_one_resource_alone_can_be_set():
    tenant = filled({"tasks": 7})
    assert {name: len(table.rows) for name, table in tenant.tables.items()} == {
        **sample.ROWS,
        "tasks": 7,
    }


def test_a_demo_tenant_can_be_written_to(tenant):
    from planhat_sandbox.tenant.upsert import bulk

    for name, table in tenant.tables.items():
        ids = list(table.rows)[:50]
        items = [{"_id": key, "custom": {"Touched": 1}} for key in ids]
        status, _, _ = bulk(tenant, RESOURCES[name], items)
        assert status == 200


def test_the_lists_beside_the_resources_are_filled(tenant):
    found = {name: directory.dump(tenant, name) for name in directory.LISTS}
    assert {len(found[name]) for name in ("companies", "leancompanies")} == {60}
    assert all(company["domains"] for company in found["companies"])
    assert [row["inactive"] for row in found["users"]].count(True) == 1
    assert len({row["email"] for row in found["users"]}) == len(found["users"]) == 9
    assert {row["companyId"] for row in found["endusers"]} == set(tenant.companies)


def test_most_values_fit_the_definitions_of_their_custom_fields(tenant, rows):
    defined = {row["name"]: row for row in directory.dump(tenant, "customfields")}
    kinds = {"number": (int, float), "checkbox": bool, "multipicklist": list}
    for name in RESOURCES:
        values = [pair for row in rows[name] for pair in (row.get("custom") or {}).items()]
        outside = {key for key, _ in values if key not in defined}
        assert outside == {"Score history", "Billing"}
        misfits = {
            key
            for key, value in values
            if key in defined
            and value is not None
            and not isinstance(value, kinds.get(defined[key]["type"], str))
        }
        assert misfits == {"t123"}
