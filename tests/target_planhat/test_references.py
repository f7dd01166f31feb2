"""People and companies that are named otherwise than by an id."""

from __future__ import annotations

import pytest

from planhat_api.resources import CONVERSATIONS, NPS, TASKS
from target_planhat.references import address, company, has_references, person

ID = "5f1b7a9e1a2b3c4d5e6f7a8b"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("email-jane@acme.com", "jane@acme.com"),
        ("Email-Jane@Acme.com", "Jane@Acme.com"),
        (" jane@acme.com ", "jane@acme.com"),
        ("jane", None),
        ("email-jane", None),
        ("a b@c", None),
        (ID, None),
        (None, None),
        (7, None),
    ],
)
def test_a_person_is_named_by_an_address_alone_or_behind_email(value, found):
    assert address(value) == found


def test_a_member_of_a_list_of_people_is_named_where_it_has_no_id():
    assert person({"email": "a@b.c"}) == "a@b.c"
    assert person({"id": "email-a@b.c", "name": "A"}) == "a@b.c"
    assert person({"id": "", "email": "a@b.c"}) == "a@b.c"
    assert person({"id": ID, "email": "a@b.c"}) is None
    assert person("a@b.c") == "a@b.c"
    assert person(ID) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("name-Acme AB", ("name", "Acme AB")),
        ("name-Acme-Nord", ("name", "Acme-Nord")),
        ("domain-acme.com", ("domain", "acme.com")),
        ("name- ", None),
        ("extid-1", None),
        ("Name-Acme", None),
        (None, None),
    ],
)
def test_a_company_is_named_by_name_or_domain(value, found):
    assert company(value) == found


def test_only_what_holds_ids_of_people_or_the_company_is_looked_at():
    assert has_references({"companyId": "name-Acme"}, TASKS)
    assert has_references({"cId": "domain-acme.com"}, NPS)
    assert has_references({"doneBy": "a@b.c"}, TASKS)
    assert has_references({"users": [{"id": ID}, "a@b.c"]}, CONVERSATIONS)
    assert has_references({"endusers": [{"email": "a@b.c"}]}, CONVERSATIONS)
    assert not has_references({"email": "a@b.c", "comment": "name-x"}, NPS)
    assert not has_references({"ownerId": ID, "description": "a@b.c", "companyId": ID}, TASKS)
    assert not has_references({"users": [], "endusers": None}, CONVERSATIONS)
