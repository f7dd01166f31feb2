"""Users, companies and contacts by address, name or domain, by the real command."""

from __future__ import annotations

import pytest

from planhat_sandbox.tenant.tenant import Company, Contact, User

JANE, JOHN, ANN = (f"58e231b14246fc73139f29{number:02x}" for number in range(3))
GLOBEX = "61006bc89a3e0b702ed8ea50"


@pytest.fixture
def people(planhat):
    tenant = planhat.control.tenant
    tenant.add_user(User(JANE, "Jane Doe", "jane@vendor.com"))
    tenant.add_user(User(JOHN, "John Doe", "john@vendor.com", inactive=True))
    tenant.add_company(Company(GLOBEX, "Globex", "c-2", domains=("globex.com",)))
    tenant.add_contact(Contact(ANN, "Ann", "ann@globex.com", GLOBEX))
    return planhat


def schema(stream, *columns):
    return {
        "type": "SCHEMA",
        "stream": stream,
        "key_properties": ["id"],
        "schema": {"properties": {name: {} for name in ("id", *columns)}},
    }


def record(stream, number, **more):
    return {"type": "RECORD", "stream": stream, "record": {"id": number, **more}}


def test_of_a_thousand_tasks_those_that_name_nobody_are_rejected_and_the_rest_is_right(
    people, target, singer
):
    messages = [schema("tasks", "companyId", "ownerId", "doneBy", "action")]
    for number in range(1000):
        owner = ("email-jane@vendor.com", "John@Vendor.com")[number % 2]
        company = ("name-Globex", "name-Acme", singer.company)[number % 3]
        messages.append(record("tasks", number, ownerId=owner, companyId=company, action="x"))
    wrong = {
        7: {"ownerId": "email-nobody@vendor.com"},
        100: {"ownerId": "nobody@vendor.com"},
        333: {"companyId": "name-Nowhere"},
        500: {"companyId": "name-globex"},
        800: {"doneBy": "email-ghost@vendor.com"},
        999: {"ownerId": "email-nobody@vendor.com"},
    }
    for number, values in wrong.items():
        messages[number + 1]["record"].update(values)
    run = target.run([*messages, singer.state(1)], rejects_path="rejects", max_rejects=6)
    assert run.code == 0, run.err
    assert run.figures == {"tasks": {"read": 1000, "created": 994, "rejected": 6}}
    assert run.states == [{"at": 1}]
    rows = people.by_source_id()
    assert len(rows) == 994
    for number in set(range(1000)) - set(wrong):
        row = rows[f"tasks:{number}"]
        assert row["ownerId"] == (JANE, JOHN)[number % 2]
        assert row["companyId"] == (GLOBEX, singer.company, singer.company)[number % 3]
    assert len(people.calls("PUT")) == 1
    assert len(people.calls("GET")) <= 3
    kept = (target.folder / "rejects").read_text()
    assert "`ownerId`: no user has the address 'nobody@vendor.com'." in kept
    assert "`companyId`: no company is called 'Nowhere'." in kept
    assert "`doneBy`: no user has the address 'ghost@vendor.com'." in kept


def test_contacts_and_users_of_conversations_are_found(people, target, singer):
    announced = schema("conversations", "companyId", "users", "endusers", "subject")
    known = {"companyId": "domain-globex.com", "subject": "Hi"}
    messages = [
        announced,
        record(
            "conversations",
            1,
            users=["jane@vendor.com"],
            endusers=[{"email": "ann@globex.com"}],
            **known,
        ),
        record("conversations", 2, endusers=[{"email": "ann@globex.com"}], companyId="name-Acme"),
        record("conversations", 3, endusers=[{"id": ANN}], **known),
    ]
    run = target.run(messages, rejects_path="rejects", max_rejects=1)
    assert run.figures == {"conversations": {"read": 3, "created": 2, "rejected": 1}}, run.err
    first = next(row for row in people.rows("conversations") if row.get("users"))
    assert [user["id"] for user in first["users"]] == [JANE]
    assert [one["id"] for one in first["endusers"]] == [ANN]
    assert first["companyId"] == GLOBEX
    assert f"no contact of company {singer.company} has the address" in run.err


def test_a_list_that_may_not_be_read_rejects_and_names_the_permission(people, target):
    people.fault(resource="users", deny=True, count=None)
    messages = [
        schema("tasks", "companyId", "ownerId"),
        record("tasks", 1, companyId="name-Globex", ownerId="jane@vendor.com"),
        record("tasks", 2, companyId="name-Globex"),
    ]
    run = target.run(messages, rejects_path="rejects")
    assert run.code == 3
    assert run.figures == {"tasks": {"read": 2, "created": 1, "rejected": 1}}
    assert "The token may not read users" in run.err
    assert all(row.get("ownerId") != "jane@vendor.com" for row in people.rows("tasks"))


def test_without_lookups_a_name_is_rejected_as_no_id(people, target):
    messages = [
        schema("tasks", "companyId"),
        record("tasks", 1, companyId="name-Globex"),
        record("tasks", 2, companyId=GLOBEX),
    ]
    run = target.run(messages, lookups=False)
    assert run.figures == {"tasks": {"read": 2, "created": 1, "rejected": 1}}
    assert not people.calls("GET")


@pytest.mark.usefixtures("people")
def test_names_are_compared_by_what_they_stand_for(target):
    messages = [
        schema("tasks", "companyId", "ownerId"),
        record("tasks", 1, companyId="name-Globex", ownerId="jane@vendor.com"),
    ]
    assert target.run(messages).code == 0
    run = target.run(messages, compare="tenant")
    assert run.figures == {"tasks": {"read": 1, "unchanged": 1}}


def test_a_deletion_finds_its_company_by_name(people, target):
    announced = schema("campaigns", "companyId", "name", "externalId", "_sdc_deleted_at")
    campaign = {"companyId": "name-Globex", "name": "Spring", "externalId": "spring"}
    messages = [
        announced,
        record("campaigns", 1, **campaign),
        record("campaigns", 1, **campaign, _sdc_deleted_at="2026-01-01T00:00:00Z"),
    ]
    run = target.run(messages, hard_delete=True)
    assert run.figures == {"campaigns": {"read": 2, "created": 1, "deleted": 1}}
    assert people.rows("campaigns") == []
