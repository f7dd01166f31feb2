"""Users, companies and contacts that records name by address, name or domain."""

from __future__ import annotations

import pytest

from planhat_api.errors import ServerFaultError
from planhat_api.resources import CONVERSATIONS, TASKS
from planhat_sandbox.tenant.tenant import Company, Contact, User
from target_planhat.item import Item
from target_planhat.outcome import Outcome
from target_planhat.tenant.lookups import Lookups

JANE, JOHN, ANN = (f"58e231b14246fc73139f29{number:02x}" for number in range(3))
GLOBEX = "61006bc89a3e0b702ed8ea50"


@pytest.fixture
def planhat(planhat):
    tenant = planhat.tenant
    tenant.add_user(User(JANE, "Jane Doe", "Jane@Vendor.com"))
    tenant.add_user(User(JOHN, "John Doe", "john@vendor.com", inactive=True))
    tenant.add_company(Company(GLOBEX, "Globex", "c-2", domains=("globex.com", "Globex.SE")))
    return planhat


@pytest.fixture
def lookups(planhat):
    return Lookups(planhat.client, most_calls=5)


def resolve(lookups, resource=TASKS, **body):
    """Return what is sent of a body, or why nothing is."""
    found = lookups.resolve(Item(body, {}, body.get(resource.company_property)), resource)
    return found.reason if isinstance(found, Outcome) else found.body


def calls(planhat):
    return [call.resource for call in planhat.control.calls]


def test_owners_are_found_by_address_in_any_case_inactive_ones_too(planhat, lookups):
    found = resolve(lookups, ownerId="email-jane@vendor.COM", doneBy="john@vendor.com", action="x")
    assert found == {"ownerId": JANE, "doneBy": JOHN, "action": "x"}
    assert calls(planhat) == ["users"]


def test_companies_are_found_by_their_exact_name_or_a_domain(planhat, lookups):
    assert resolve(lookups, companyId="name-Globex") == {"companyId": GLOBEX}
    assert resolve(lookups, companyId="domain-GLOBEX.se") == {"companyId": GLOBEX}
    assert resolve(lookups, companyId="name-globex") == (
        "`companyId`: no company is called 'globex'."
    )
    assert calls(planhat) == ["leancompanies", "companies"]


def test_the_company_that_an_external_id_counts_in_is_the_one_found(lookups):
    item = Item({"companyId": "name-Acme", "externalId": "x"}, {"externalId": "x"}, "name-Acme")
    found = lookups.resolve(item, CONVERSATIONS)
    assert found.company == found.body["companyId"] == "61006bc89a3e0b702ed8ea49"


def test_members_of_lists_are_sent_as_objects_with_an_id_where_they_are_looked_up(lookups):
    users = ["jane@vendor.com", {"email": "john@vendor.com", "isOwner": True}, {"id": ANN}, ANN]
    found = resolve(lookups, CONVERSATIONS, users=users)
    assert found["users"] == [{"id": JANE}, {"id": JOHN, "isOwner": True}, {"id": ANN}, ANN]


@pytest.mark.parametrize("company", [GLOBEX, "extid-c-2", "name-Globex", "domain-globex.com"])
def test_contacts_are_found_within_their_company(planhat, lookups, company):
    planhat.tenant.add_contact(Contact(ANN, "Ann", "ann@x.com", GLOBEX))
    planhat.tenant.add_contact(Contact(JANE, "Ann", "ann@x.com", planhat.company))
    people = [{"email": "Ann@X.com"}]
    found = resolve(lookups, CONVERSATIONS, companyId=company, endusers=people)
    assert found["endusers"] == [{"id": ANN}]


def test_a_contact_of_another_company_is_none(planhat, lookups):
    planhat.tenant.add_contact(Contact(ANN, "Ann", "ann@x.com", GLOBEX))
    body = {"companyId": planhat.company, "endusers": [{"email": "ann@x.com"}]}
    assert resolve(lookups, CONVERSATIONS, **body) == (
        f"`endusers`: no contact of company {planhat.company} has the address 'ann@x.com'."
    )


def test_a_contact_of_several_companies_is_ambiguous_where_none_is_named(planhat, lookups):
    planhat.tenant.add_contact(Contact(ANN, "Ann", "ann@x.com", GLOBEX))
    planhat.tenant.add_contact(Contact(JANE, "Ann", "ann@x.com", planhat.company))
    found = resolve(lookups, CONVERSATIONS, endusers=[{"email": "ann@x.com"}])
    assert found.startswith("`endusers`: more than one contact has the address 'ann@x.com': ")
    assert ANN in found
    assert JANE in found


def test_of_two_users_with_one_address_both_are_named(planhat, lookups):
    planhat.tenant.add_user(User(ANN, "Jane", "JANE@vendor.com"))
    assert resolve(lookups, ownerId="jane@vendor.com") in {
        f"`ownerId`: more than one user has the address 'jane@vendor.com': {one} and {other}."
        for one, other in ((JANE, ANN), (ANN, JANE))
    }


def test_contacts_are_asked_for_once_each_and_at_most_as_often_as_allowed(planhat, lookups):
    for number in range(9):
        address = f"c{number}@x.com"
        planhat.tenant.add_contact(Contact(f"{number:024x}", "C", address, planhat.company))
    found = [
        resolve(lookups, CONVERSATIONS, endusers=[{"email": f"c{number % 9}@x.com"}])
        for number in range(18)
    ]
    assert [isinstance(one, dict) for one in found] == ([True] * 5 + [False] * 4) * 2
    assert found[8] == "`endusers`: 'c8@x.com' is not looked up: lookup_calls (5) are used up."
    assert calls(planhat) == ["endusers"] * 5


@pytest.mark.parametrize(
    ("lists", "body", "permission"),
    [
        (["users"], {"ownerId": "jane@vendor.com"}, "may not read users"),
        (["leancompanies", "companies"], {"companyId": "name-Acme"}, "may not read companies"),
        (["endusers"], {"endusers": [{"email": "a@b.c"}]}, "may not read endusers"),
    ],
)
def test_a_list_that_may_not_be_read_rejects_and_names_the_permission(
    planhat, lookups, lists, body, permission
):
    for name in lists:
        planhat.control.faults.add({"resource": name, "deny": True, "count": None})
    for _ in range(2):
        found = resolve(lookups, CONVERSATIONS, **body)
        assert permission in found
    assert calls(planhat) == lists


@pytest.mark.parametrize("status", [403, 404])
def test_the_longer_list_of_companies_serves_where_the_lean_one_cannot_be_read(
    planhat, lookups, status
):
    planhat.control.faults.add({"resource": "leancompanies", "status": status, "count": None})
    assert resolve(lookups, companyId="name-Globex") == {"companyId": GLOBEX}


def test_planhat_being_down_ends_the_run_and_rejects_nothing(planhat, lookups):
    planhat.control.faults.add({"resource": "users", "status": 503, "count": None})
    with pytest.raises(ServerFaultError):
        resolve(lookups, ownerId="jane@vendor.com")


@pytest.mark.parametrize(("users", "count"), [(7, 1), (2000, 2), (4507, 3)])
def test_lists_are_read_to_their_end_in_as_few_calls_as_prove_it(planhat, lookups, users, count):
    for number in range(users - len(planhat.tenant.users)):
        planhat.tenant.add_user(User(f"{number:024x}", "U", f"u{number}@vendor.com"))
    last = users - 3
    assert resolve(lookups, ownerId=f"u{last}@vendor.com") == {"ownerId": f"{last:024x}"}
    assert calls(planhat) == ["users"] * count


def test_references_that_planhat_takes_itself_are_left_to_it_but_known(planhat, lookups):
    body = {"companyId": "extid-c-2", "action": "x"}
    assert resolve(lookups, **body) == body
    assert calls(planhat) == []
    assert lookups.company_id("extid-c-2") == GLOBEX
    assert lookups.company_id("srcid-acc-1") == planhat.company
    assert lookups.company_id("extid-c-9") is None
    assert lookups.company_id("elsewhere") is None


def test_a_company_of_which_two_have_the_external_id_is_not_known(planhat, lookups):
    planhat.tenant.companies["x"] = Company("x", "Other", "c-2")
    assert lookups.company_id("extid-c-2") is None
